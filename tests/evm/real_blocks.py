"""Block headers of real chains with committed seals, as their nodes showed them. Data only, found in public text.

None is believed for its source: the hashes and the recovered validators show that it is real."""

from __future__ import annotations

from typing import Any

_EMPTY = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
_COMMON: dict[str, Any] = {
    "mixHash": "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365",
    "nonce": "0x0000000000000000",
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "logsBloom": "0x" + "00" * 256,
    "transactionsRoot": _EMPTY,
    "receiptsRoot": _EMPTY,
    "difficulty": "0x1",
    "gasUsed": "0x0",
}

# A tutorial's Besu quickstart network, block 1, sealed in round 1.
IBFT2_ROUND_1 = {
    **_COMMON,
    "number": "0x1",
    "hash": "0x82b5c53704cea50223ce667621806f485ec1d9dbe9e4ea7f19c928aedb6f0dd8",
    "parentHash": "0x85a523687ebad98224e669ddf2c5474c0e97007871b4baaaa05a419381fc98ce",
    "stateRoot": "0x98840a790f4c7dc6781a49d346bea3ee8373558e5bb1dfff5e65b3de25827650",
    "miner": "0x93917cadbace5dfce132b991732c6cda9bcc5b8a",
    "gasLimit": "0xf7b760",
    "timestamp": "0x624316e6",
    "extraData": "0xf90148a0000000000000000000000000000000000000000000000000000000000000"
    "0000f8549427a97c9aaf04f18f3014c32e036dd0ac76da5f189493917cadbace5dfce132b991732c6cda9bcc5b8a9498"
    "c1334496614aed49d2e81526d089f7264fed9c94ce412f988377e31f4d0ff12d74df73b51c42d0ca808400000001f8c9"
    "b841f3e5877b8ef14758af6a2430135f9ccdf218bbf76c0191cc56682df11c74968d4f748cda97d4d6f28e2c1e01e340"
    "dfbf5abd48077a9354c75abd4190b8adad6200b8411870785d31aec2245faa3fcc21e6c211ac9b6c377b44072ca87169"
    "b74e778d891a1ece5e88d6be58669d14b4ffa0d4b532f4073684b1f6e944cdec8f20979da501b8416871a68c70a8ec1e"
    "d842aa1d8b1b2fbcb38b949de24c0201b3543f0b965cd5ce1eda6ea1216d517a7d3841a60c54c9089660979d3ba2c1a5"
    "b0fd975157c4a39701",
}

# A web log of 2021, block 2074747 of a private network.
IBFT2_ROUND_0 = {
    **_COMMON,
    "number": hex(2_074_747),
    "hash": "0xa587aa3b79e249fa13a799b700287a9a13f0aaeb90b5bdb59f019511a91a5843",
    "parentHash": "0xb043c80558a303a6a6cff54ee12cb4c0c18d7d6c6d9875ca357ef792afee4aab",
    "stateRoot": "0xba29682e080d946de3d793b6d146cb3f9001f1ce6e4b088b7f2eb9e94707bc5e",
    "miner": "0x20f41061b59cdD1de39862dac8420Cde5B1C4611",
    "gasLimit": hex(1_890_884_448),
    "timestamp": hex(1_627_361_583),
    "extraData": "0xf90148a0000000000000000000000000000000000000000000000000000000000000"
    "0000f854941e3415214147f480c4a82130fa2fc75f870799499420f41061b59cdd1de39862dac8420cde5b1c4611942d"
    "e1ec20190935f197f83dfcb5c49b424d1f78e594adb2d82c0247ee35774840e95313b6330e199605808400000000f8c9"
    "b8419f92d5c3c7ded5ab0b91e29829e7473a36ec4b9fa99929feb4b48891571f2a8f104383eddac4c1d14a6c73c070af"
    "96dbedeb4d2843c900cc0c79677750e4879800b8415d8987fd2229dc77fdc84e559055e59e38293ffaac01f72015979e"
    "d27707fa4b2e6bcdf55b381cbb214d8730b7afa7fc22cf768e10428c1b251e815809d22ff900b841591a9516ccc936a1"
    "f45e787e5b99e608d83249c64eb18ff2a22a9c59f1a27b0c633ea0ead2660f1c7e7c7bf76edf821029e121719096eae1"
    "740981eb4e2f9c9601",
}

_BLOOM_DIGITS = {
    54: "8",
    59: "1",
    64: "2",
    151: "8",
    195: "2",
    246: "1",
    250: "8",
    342: "2",
    344: "2",
    359: "2",
    361: "4",
    391: "2",
    405: "4",
    494: "4",
    496: "4",
}
"""The hex digits of the next block's bloom that are not zero, by their place."""

# Test data of an RPC library in Go (package ethrpc, Kaleido, Inc.): a network with one validator after London.
QBFT_LONDON = {
    **_COMMON,
    "number": "0xe5f2",
    "hash": "0xd33367228e0a0e3667c910c7d92d3f6e724e2b6e2f671b28823a22f82597d023",
    "parentHash": "0x78ec31452f053f75665033d4957b8b33283c55e1c7239dc5facbb684a866492e",
    "stateRoot": "0xaebe1ab7b242b261b1aced1a1ed729c3d6436634ff656efecad4609b38ee63a3",
    "transactionsRoot": "0x77c428651debcc42d181d9067386d807b204235ebb3e45dfa5f1e6e71c0b67de",
    "receiptsRoot": "0x0946e4baf57a46888aa1a78dc974a01a56bb221ae8d6ee381942695596f976ec",
    "logsBloom": "0x" + "".join(_BLOOM_DIGITS.get(place, "0") for place in range(512)),
    "miner": "0xef5880ec6b859b6949d88ddbd6ec18e96d0f14aa",
    "baseFeePerGas": "0x0",
    "gasLimit": "0x2fefd800",
    "gasUsed": "0x197b8",
    "timestamp": "0x6849f937",
    "extraData": "0xf87ea000000000000000000000000000000000000000000000000000000000000000"
    "00d594ef5880ec6b859b6949d88ddbd6ec18e96d0f14aac080f843b8410469b43f8d873e7b3c54c0d2a606a37af53399"
    "4653f077b234a563f00723641a7ad56e6ba07d56fb38ec68bc9b6234d54fe62730f41118658a12c886fb783c3100",
}
QBFT_LONDON_TX = {
    "hash": "0x6431a7fc56e24319bb431ed3040d77d1a7b54add9207266c19df6fc53961da99",
    "chainId": "0x3accd8b",
    "gas": "0x131dc",
    "gasPrice": "0x0",
    "input": "0xa9059cbb000000000000000000000000af5ce0b6c5745e49b4292794496bf2a08b97608b"
    "00000000000000000000000000000000000000000000000246ddf97976680000",
    "nonce": "0x2",
    "to": "0xaa75b5001274491c0985ba1012b09dfc02d9675d",
    "type": "0x0",
    "value": "0x0",
    "v": "0x7599b39",
    "r": "0xc98b60f2aac8ed46f7c0ae9c0f80a9aa2aac1567f19fc535326cd71ae818c825",
    "s": "0x749f803a174f2aaedd44299ad24c92a5842219ea44724928af486bdd6c6c3cc3",
}

# Test data of a QBFT light client in Rust, block 7528 sealed in round 1 by three of four validators.
QBFT_ROUND_1 = {
    **_COMMON,
    "number": hex(7528),
    "parentHash": "0x0af93e70b1c6d3974a88a42eb70bb61adbd523bfac0c83027ba4637c52746a0f",
    "stateRoot": "0x166ed98eea93ab2b6f6b1a425526994adc2d675bf9a0d77d600ed1e02d8f77df",
    "miner": "0xee3353e587cfa91625a1adaef308a726de3803d3",
    "gasLimit": "0x47b760",
    "timestamp": hex(1_715_495_307),
    "extraData": "0xf90144a0000000000000000000000000000000000000000000000000000000000000"
    "0000f85494647bfdd19655e51e69d35454ff3a92f8828e630294a5c8416b9d13417b45b45ada76408f39d1e504ef94b9"
    "2e91f4dcc9d28503be521afa2a8fbf3c1acf6094ee3353e587cfa91625a1adaef308a726de3803d3c001f8c9b841bc76"
    "33fd65570f610a595086e9a34e5bf6aacfb67b8f8cd01852e6b285147f046a50577b49378b86723ac9b456ef59ef7ab5"
    "7cda7139d807f10f58e8cb10c67600b841ad1defc2b0b4a48158cff24778bb5ba4d9f373c171022ab0a42e37bdb0d402"
    "5718434d303a8d94df56ef9ad5219be9f27b2f67179a7fb82d3323dde29546f9f701b841e233d3670dd97c715f72b440"
    "eeb1ccb1e22c8c23f6ab470c46c99c2d0ee6509f0341a42e0e4569782557e93c3815e8ca4294043595f69a90f73f135d"
    "e8ecf41e00",
}
QBFT_ROUND_1_DIGEST = "75ea184f58cd3f0ef89032a069df01f07ec524ef3a85cf6d3e424d62130c0a32"
"""What the seals of that header sign, as its publisher computed it."""
