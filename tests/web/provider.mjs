// A real OpenID provider (oidc-provider, certified by the OpenID Foundation) on the loopback, with its own pages for signing in.
// node provider.mjs <folder of node_modules> <client id> <client secret> <redirect uri> ; prints its issuer when it is ready.
import { createServer } from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [tools, clientId, clientSecret, redirect] = process.argv.slice(2);
const load = (...parts) => import(pathToFileURL(path.join(tools, ...parts)).href);
const { Provider } = await load("oidc-provider", "lib", "index.js");
const { exportJWK, generateKeyPair } = await load("jose", "dist", "webapi", "index.js");

const keys = await Promise.all(
  ["ES256", "RS256"].map(async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(privateKey)), alg, use: "sig", kid: alg };
  }),
);
const groups = { li: ["judges"], zhao: ["clerks", "staff"], nobody: ["cleaners"] };

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirect],
        id_token_signed_response_alg: "ES256",
      },
    ],
    jwks: { keys },
    claims: { openid: ["sub", "groups"] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    cookies: { keys: ["for tests alone"] },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, groups: groups[id] ?? [] }) }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
