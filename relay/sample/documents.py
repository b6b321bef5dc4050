"""The text of each paper."""

from __future__ import annotations

from datetime import date

from relay.sample.loan import COURT, LENDER, Loan
from relay.sample.money import yuan
from relay.sample.papers import paper

_CONSENT = {
    "privacy": "个人信息处理授权书",
    "credit_query": "征信查询授权书",
    "data_sharing": "信息共享授权书",
    "preservation_method": "电子数据存证方式约定",
    "e_delivery": "电子送达地址确认书",
}


def consent_paper(purpose: str) -> bytes:
    """The text a customer agrees to; it names nobody."""
    lines = [
        f"一、本人同意{LENDER}为办理贷款之目的处理下列信息,范围以必要为限。",
        "二、本人已知悉可以撤回同意;撤回不影响此前处理的效力。",
        "三、双方同意:合同履行过程中形成的电子数据在形成时存证,存证方式为区块链哈希与时间。",
        "四、发生争议时,出借人可以授权受理案件的人民法院调取本合同项下全部存证数据。",
        "",
        "I agree that the data described above are processed for the purposes of this loan and kept as evidence.",
    ]
    return paper(_CONSENT[purpose], lines, language="zh")


def contract_paper(loan: Loan, language: str) -> bytes:
    """The contract in one of its languages, schedule included."""
    if language == "zh":
        lines = [
            f"合同编号:{loan.number}",
            f"出借人:{LENDER}",
            f"借款人:{loan.borrower.name}    证件号码:{loan.borrower.id_number}",
            f"第一条  借款本金人民币 {yuan(loan.principal)} 元,期限 {loan.months} 个月,年利率 {loan.rate}%。",
            "第二条  还款方式为等额本息,每月应还金额见附表。",
            f"第三条  逾期罚息按年利率 {loan.penalty_rate}% 计收,不计复利。",
            "第四条  借款人承诺所提供的信息真实;信息变更应当及时通知出借人。",
            f"第五条  因本合同发生争议,由{COURT}管辖;双方同意适用在线诉讼程序。",
            f"第六条  借款人确认送达地址为:{loan.borrower.address}。",
            "第七条  双方同意以区块链方式存证,并授权受理案件的法院调取全部业务过程数据。",
            "附表:还款计划",
            *(f"{i.due.isoformat()}    本金 {yuan(i.principal)}    利息 {yuan(i.interest)}" for i in loan.schedule),
        ]
        return paper("个人消费贷款合同", lines, language="zh")
    lines = [
        f"Contract number: {loan.number}",
        "Lender: Hexin Consumer Finance Co., Ltd. Borrower: the person named in the Chinese original.",
        f"1. Principal CNY {yuan(loan.principal)}, term {loan.months} months, annual rate {loan.rate} per cent.",
        "2. Repayment in equal monthly instalments; the schedule is attached.",
        f"3. Penalty interest on overdue amounts at {loan.penalty_rate} per cent a year, without compounding.",
        "4. The borrower warrants that the information given is true and reports changes without delay.",
        "5. Disputes are heard by the court named in the Chinese original, in online proceedings.",
        "6. Evidence is preserved at the time it arises; the lender may authorize the court to retrieve all of it.",
        "The Chinese original prevails.",
        *(f"{i.due.isoformat()}   principal {yuan(i.principal)}   interest {yuan(i.interest)}" for i in loan.schedule),
    ]
    return paper("Consumer loan contract (translation)", lines, language="en")


def voucher_paper(loan: Loan) -> bytes:
    """The bank's voucher."""
    lines = [
        f"付款人:{LENDER}",
        f"收款人:{loan.borrower.name}",
        f"收款账号:{loan.borrower.account}",
        f"金额:人民币 {yuan(loan.principal)} 元",
        f"日期:{loan.start.isoformat()}",
        "用途:贷款发放    (银行业务专用章)",
    ]
    return paper("电子回单", lines, language="zh")


def letter_paper(loan: Loan, firm: str, lawyer: str, claim: int, deadline: date) -> bytes:
    """A lawyer's letter."""
    lines = [
        f"{loan.borrower.name}:",
        f"{firm}接受{LENDER}委托,就您与其借款合同纠纷一事致函如下:",
        f"一、您于合同 {loan.number} 项下借款人民币 {yuan(loan.principal)} 元,现已逾期。",
        f"二、截至本函发出之日,您尚欠人民币 {yuan(claim)} 元。",
        f"三、请于 {deadline.isoformat()} 前清偿;如有异议或困难,可书面答复并申请调解。",
        "四、逾期未处理的,委托人将依法提起诉讼。",
        f"{firm}    律师:{lawyer}",
    ]
    return paper("律师函", lines, language="zh")


def court_paper(title: str, loan: Loan, case: str, lines: list[str]) -> bytes:
    """A paper of the case."""
    return paper(title, [f"案号:{case}", f"法院:{COURT}", f"合同编号:{loan.number}", *lines], language="zh")


def notice_paper(loan: Loan, days: int, overdue: int) -> bytes:
    """A notice of arrears in both languages."""
    lines = [
        f"尊敬的{loan.borrower.name}:您的贷款 {loan.number} 已逾期 {days} 天,逾期金额人民币 {yuan(overdue)} 元。",
        "如您有困难,可申请延期或调解;如对金额有异议,请与我们联系。",
        f"Your loan {loan.number} is {days} days overdue with CNY {yuan(overdue)}.",
        "If you are in difficulty you may ask for a deferral or for mediation.",
    ]
    return paper("逾期通知 Notice of arrears", lines, language="zh")
