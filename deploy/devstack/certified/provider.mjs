// A certified OpenID provider for tests: oidc-provider with a sign-in page of its
// own that takes any name. Its configuration is one line of JSON on standard input;
// it prints one line when it serves and ends when standard input does.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider, { errors, interactionPolicy } from 'oidc-provider';

const lines = createInterface({ input: process.stdin });
const config = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();

// Somebody's address is his name where that is one, and verified unless it says
// otherwise: "alice@example.com", "alice@example.com (unverified)".
function mail(name) {
  const [address, note] = name.split(' ');
  return address.includes('@') ? { email: address, email_verified: note === undefined } : {};
}

const policy = interactionPolicy.base();
policy.get('login').checks.add(new interactionPolicy.Check('acr', 'a stronger sign-in is needed', (ctx) => {
  const wanted = (ctx.oidc.params.acr_values ?? '').split(' ').filter(Boolean);
  const has = ctx.oidc.result?.login?.acr ?? ctx.oidc.session.acr;
  return wanted.length > 0 && !wanted.includes(has);
}));

// What access tokens are for: their form, and the audience that they name.
const resources = {
  'https://api.test/signed': { scope: 'read', audience: 'app', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  'https://api.test/opaque': { scope: 'read', audience: 'app', accessTokenFormat: 'opaque' },
};

const provider = new Provider(config.issuer, {
  clients: config.clients,
  jwks: config.jwks,
  cookies: { keys: ['for tests only'] },
  acrValues: ['urn:vigil:pwd', 'urn:vigil:mfa'],
  claims: { openid: ['sub', 'groups'], profile: ['name'], email: ['email', 'email_verified'], acr: null, auth_time: null, sid: null, iss: null },
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options), // Its own guard refuses loopback.
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: id, groups: ['staff'], ...mail(id) }) }),
  extraTokenClaims: (_, token) => (token.sid ? { sid: token.sid } : undefined),
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  ttl: { AccessToken: config.accessTokenSeconds, IdToken: 300, RefreshToken: 3600, Session: 3600, Interaction: 600, Grant: 3600 },
  interactions: { policy, url: (_, interaction) => `/sign-in/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid profile email offline_access');
    for (const resource of Object.keys(resources)) grant.addResourceScope(resource, 'read');
    await grant.save();
    return grant;
  },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => config.dpopNonce },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_, resource) {
        if (!(resource in resources)) throw new errors.InvalidTarget();
        return { ...resources[resource], accessTokenTTL: config.accessTokenSeconds };
      },
    },
    pushedAuthorizationRequests: { enabled: true },
  },
});
provider.on('server_error', (_, error) => console.error(error));
provider.on('backchannel.error', (_, error) => console.error(error));

const page = (uid, prompt) => `<!doctype html><html lang="en"><title>Test provider</title>
<main><h1>Test provider</h1><p>${prompt}</p>
<form method="post" action="/sign-in/${uid}">
<label>Name <input name="login" autofocus></label>
<button name="act" value="password">Sign in</button>
<button name="act" value="mfa">Sign in with a second factor</button>
<button name="act" value="cancel">Cancel</button>
</form></main></html>`;

async function signIn(req, res) {
  const details = await provider.interactionDetails(req, res);
  if (details.prompt.name === 'consent') { // Everybody consents; who does not cancels the sign-in.
    await provider.interactionFinished(req, res, { consent: {} }, { mergeWithLastSubmission: true });
    return;
  }
  if (req.method === 'GET') {
    res.setHeader('content-type', 'text/html');
    res.end(page(details.uid, details.prompt.reasons.join(', ')));
    return;
  }
  let body = '';
  for await (const chunk of req) body += chunk;
  const form = new URLSearchParams(body);
  const act = form.get('act');
  const result = act === 'cancel'
    ? { error: 'access_denied', error_description: 'The person said no' }
    : { login: { accountId: form.get('login'), acr: act === 'mfa' ? 'urn:vigil:mfa' : 'urn:vigil:pwd' } };
  await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
}

const callback = provider.callback();
const server = createServer((req, res) => {
  if (!req.url.startsWith('/sign-in/')) return callback(req, res);
  return signIn(req, res).catch((error) => { console.error(error); res.statusCode = 400; res.end(String(error)); });
});
server.listen(new URL(config.issuer).port, '127.0.0.1', () => console.log('serving'));
