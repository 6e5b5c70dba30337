// An OpenID Connect provider that nobody here wrote, for one client. Its first line of output is its issuer.
import fs from 'node:fs';
import https from 'node:https';
import { createRequire } from 'node:module';

const { modules, certificate, key, redirect, secret } = JSON.parse(process.argv[2]);
const require = createRequire(`${modules}/`);
const { default: Provider } = await import(require.resolve('oidc-provider'));

const server = https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) });
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'corral', client_secret: secret, redirect_uris: [redirect] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    scopes: ['openid', 'email', 'profile'],
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: true }),
    }),
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
