// A real OpenID provider for the browser tests: node provider.mjs PORT REDIRECT_URI CLIENT_ID CLIENT_SECRET.
// Everyone may sign in with any password; only maria has the scope payments:operate. It ends with its standard input.
import { randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, redirectUri, clientId, clientSecret] = process.argv.slice(2);
const OPERATE = 'payments:operate';

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri] }],
  scopes: ['openid', OPERATE],
  cookies: { keys: [randomBytes(32).toString('hex')] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  async loadExistingGrant(context) {
    const { client, session } = context.oidc;
    const grant = new context.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid');
    if (session.accountId === 'maria') grant.addOIDCScope(OPERATE);
    else grant.rejectOIDCScope(OPERATE);
    await grant.save();
    return grant;
  },
});

provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
