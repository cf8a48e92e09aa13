package gateway_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// threats are the attacks on tokens, headers, sign-in and key sets, and the tests that
// try them: package.Test, or package.Test/case where it is one case of many. A case of
// identity.TestTokens is the file hostile-CASE.txt of testdata/tokens.
var threats = map[string][]string{
	// Forged tokens.
	"alg none, in any spelling":           {"identity.TestTokens/alg-none", "identity.TestTokens/alg-none-case", "identity.TestTokens/alg-none-space", "login.TestHostileIDTokens/algorithm none", "login.TestHostileLogoutTokens/algorithm none"},
	"the public key as an HMAC secret":    {"identity.TestTokens/alg-hs256", "login.TestHostileIDTokens/signed with the public key as an HMAC secret"},
	"a key in the token":                  {"identity.TestTokens/jwk", "identity.TestTokens/jwk-own", "login.TestHostileIDTokens/key in the header"},
	"a key by a URL in the token":         {"identity.TestTokens/jku", "identity.TestTokens/x5u", "identity.TestTokens/x5c", "login.TestHostileIDTokens/key by jku", "login.TestHostileIDTokens/key by x5u"},
	"a kid that is a path or a statement": {"identity.TestTokens/kid-path", "identity.TestTokens/unknown-kid-sql", "identity.TestTokens/unknown-kid-nul"},
	"a key of another type":               {"identity.TestTokens/alg-of-other-key", "identity.TestTokens/alg-not-the-keys", "identity.TestTokens/forged-rs256-by-ed"},
	"a weak RSA key":                      {"identity.TestTokens/kid-weak-rsa"},
	"one kid twice":                       {"identity.TestKeySetsThatAreRefused/one kid twice"},
	"a token without end":                 {"identity.TestTokens/20-kib", "login.TestHostileLogoutTokens/larger than any"},
	"a PBES2 bomb":                        {"identity.TestTokens/pbes2-bomb", "identity.TestTokens/p2s"},
	"an encrypted or zipped token":        {"identity.TestTokens/jwe", "identity.TestTokens/zip", "login.TestHostileIDTokens/encrypted"},
	"an unknown crit":                     {"identity.TestTokens/crit-unknown", "login.TestHostileIDTokens/an extension that must be understood"},
	"a token of another kind":             {"identity.TestTokens/typ-id-token", "identity.TestTokens/typ-logout", "identity.TestTokens/kind-id-token-nonce", "login.TestHostileIDTokens/a logout token"},
	"a member twice":                      {"identity.TestTokens/duplicate-claim", "identity.TestTokens/duplicate-alg", "login.TestHostileIDTokens/a member twice"},
	"base64 with loose ends":              {"identity.TestTokens/trailing-bits", "identity.TestTokens/padding", "identity.TestTokens/standard-alphabet"},
	"a malleable signature":               {"identity.TestMalleableSignatureIsTheSameSession", "identity.TestTokens/forged-es256-s-plus-order"},
	"a proof in the future":               {"identity.TestNobodyHasProvedHimselfInTheFuture", "identity.TestATokenFromAheadThatIsHeldBack", "login.TestNobodyHasSignedInInTheFuture"},
	"rights of another issuer":            {"identity.TestContextOfAnotherIssuer", "identity.TestTokens/issuer-aud-of-every"},

	// Stolen tokens.
	"a bound token as Bearer":                 {"identity.TestProofAttacks/a bound token as bearer", ".TestBoundTokenIsOfNoUseToAThief"},
	"a thief's own key":                       {"identity.TestProofAttacks/a thief's own key"},
	"a proof that is used again":              {"identity.TestReplayedProof", "identity.TestProofIsUsedOnceAtOnce", ".TestBoundTokenIsOfNoUseToAThief"},
	"a proof for another request":             {"identity.TestProofAttacks/a proof for another method", "identity.TestProofAttacks/a proof for another path", "identity.TestProofAttacks/a proof for another host"},
	"a proof for another token":               {"identity.TestProofAttacks/a proof for another token"},
	"an old proof, or one from the future":    {"identity.TestProofAttacks/an old proof", "identity.TestProofAttacks/a proof from the future"},
	"a proof that was made before":            {"identity.TestNonce"},
	"a flood of proofs":                       {"identity.TestProofsAreBounded", "identity.TestAFloodOfProofsClosesItsOwnKeyOnly"},
	"a token bound to another certificate":    {"identity.TestCertificateBoundToken", "identity.TestCertificateAttacks"},
	"several credentials on one request":      {"identity.TestAuthorizationHeader", ".TestSeveralCredentialsAreNeverChosenFrom", ".TestCrossSiteRequests/cookie and token on one request"},
	"a token in the URL, however it is spelt": {".TestTokenInTheURL", "identity.TestATokenInTheURLInAnySpelling"},
	"guessed API keys":                        {"identity.TestAPIKeysAreNotGuessed", "identity.TestAPIKeyAttacks"},
	"a refresh that gets round a cut-off":     {".TestSchedulesAreLinearizable"},
	"a session that goes on in public":        {".TestARevokedSessionIsNobodyOnAPublicRoute", ".TestAStreamOfAPublicRouteEndsWithItsSession"},
	"a body that goes on behind its answer":   {".TestABodyThatGoesOnBehindItsAnswer", ".TestAWebSocketOpenedBeforeReadOnly"},
	"a verdict that comes while it is let in": {".TestEveryStreamIsCutByEveryTargetAtEveryMoment"},

	// Headers and framing.
	"an identity in a header of any spelling":          {"proxy.TestAnUpstreamSeesOneIdentity", "proxy.TestForwarded"},
	"a header that moves the path or the method":       {"proxy.TestAnUpstreamSeesOneIdentity"},
	"an identity in a trailer":                         {"proxy.TestAnIdentitySmuggledInATrailerOfTheRequest", "proxy.TestAnAnswerWhoseTrailerPlantsWhatTheHeaderMustNot"},
	"a header named in Connection":                     {"proxy.TestAnUpstreamSeesOneIdentity", "proxy.TestHeadersThatReachTheUpstream", "proxy.TestATypeThatConnectionTakesAway"},
	"a scope within a scope":                           {"assertion.TestAScopeWithASpaceIsNotTwo"},
	"an address or fingerprint of the client's choice": {"origin.TestOfBelievesOnlyTrustedProxies", "origin.TestJA4"},
	"Content-Length beside Transfer-Encoding":          {"listen.TestFramingThatNetHTTPMakesUniform/content-length beside chunked", "listen.TestMalformedFraming/two content-lengths"},
	"an obscured Transfer-Encoding":                    {"listen.TestMalformedFraming/transfer-encoding, vertical tab", "listen.TestMalformedFraming/transfer-encoding twice", "listen.TestMalformedFraming/transfer-encoding: chunked,identity", "proxy.TestAnotherSpellingOfWhatSaysHowTheContentIsRead"},
	"a bare CR or LF":                                  {"listen.TestMalformedFraming/bare carriage return in a header", "listen.TestFramingThatNetHTTPMakesUniform/bare line feeds"},
	"a request line that HTTP/2 carries":               {"listen.TestAMethodThatEndsTheRequestLine", "listen.TestQueryThatEndsTheRequestLine"},
	"a folded header":                                  {"listen.TestFramingThatNetHTTPMakesUniform/folded header"},
	"a chunk extension as a way out":                   {"listen.TestMalformedFraming/chunk extension with a line feed", "listen.TestMalformedFraming/chunk extension without an end", "listen.TestMalformedFraming/chunk size of more than 64 bits"},
	"two hosts, or one that is none":                   {"listen.TestMalformedFraming/two hosts", "listen.TestMalformedFraming/user in the host", "listen.TestMalformedFraming/absolute form for another host"},
	"a host that TLS was not asked for":                {"listen.TestTLS"},
	"a path of two readings":                           {"route.TestMatchRefuses/encoded slash", "route.TestMatchRefuses/parameter", "route.TestMatchRefuses/encoded twice", "route.TestAMethodThatSlipsFromAGuardedRouteToAPublicOne", "route.TestAPathThatSlipsFromAGuardedRouteToAPublicOne", "route.TestWhatSlipsFromAStrictRouteToAWeakerOne", "route.TestADestinationIsAuthorisedToo"},
	"a cookie of ours from an upstream":                {"proxy.TestAPlantedCookieWithoutAName", "proxy.TestAnAnswerWhoseTrailerPlantsWhatTheHeaderMustNot"},

	// Sign-in.
	"an account where the gateway does not look": {"route.TestGuessingBehindAnotherName", "route.TestASignInThatSlipsIntoAnotherRoute", ".TestGuessingABlockedAccountBehindPadding"},
	"a callback without its browser":             {".TestCallbackAttacks/state of another browser", ".TestCallbackAttacks/no state", ".TestCallbackAttacks/state twice"},
	"a callback that comes again":                {".TestCallbackAttacks/replayed callback"},
	"a stolen code":                              {".TestCallbackAttacks/another code"},
	"mix-up of providers":                        {".TestCallbackAttacks/mixed-up issuer", ".TestCallbackAttacks/issuer left out by a provider that names itself", ".TestCallbackAttacks/answer sent to another provider's address"},
	"login fixation":                             {".TestCallbackAttacks/login fixation: a session that was there before is not gone on with"},
	"an open redirect":                           {".TestCallbackAttacks/open redirect", "login.TestReturnTo"},
	"the nonce of another sign-in":               {"login.TestHostileIDTokens/with the nonce of another sign-in", "login.TestHostileIDTokens/without nonce"},
	"an ID token for another client":             {"login.TestHostileIDTokens/for another client", "login.TestHostileIDTokens/made out to another party"},
	"requests of another site":                   {".TestCrossSiteRequests"},
	"a forged or planted cookie":                 {"login.TestForgedCookies/a bit changed", "login.TestForgedCookies/a device for a session", "login.TestForgedCookies/twice", "login.TestCookieAttributes"},
	"a cookie from before a step-up":             {"login.TestSupersededCookie", "login.TestASupersededCookieThatIsForgottenGainsNothing"},
	"a second factor of the thief's own":         {".TestAThiefDoesNotConfirmHimselfOutOfAVerdict", "login.TestHostileConfirmations"},
	"a forged or replayed logout token":          {"login.TestHostileLogoutTokens/signed by somebody else", "login.TestHostileLogoutTokens/an ID token in disguise", "login.TestALogoutTokenIsCheckedByEachGateway/a forged relay, signed by somebody else"},
	"a front-channel logout by a link":           {"login.TestFrontchannelLogout"},
	"a forged peer":                              {"login.TestForgedPeer"},
	"pages that call a provider":                 {"login.TestPagesThatCallAProviderAreBounded", ".TestAddressHasItsShareOfOurSignInPages", ".TestAddressHasItsShareOfCallbacks"},
	"an account taken over by an address":        {"login.TestWhoIsNotLinked", "login.TestAnAccountThatWasThereBeforeIsNotTakenAlong"},

	// Key sets and providers.
	"a flood of unknown kids":               {"identity.TestFloodOfUnknownKeys", "identity.TestFetchIsShared"},
	"a provider that is away":               {"identity.TestProviderIsAway", "identity.TestFetchBacksOff", ".TestProviderAwayAndBackWithNewKeys"},
	"a key that was withdrawn":              {"identity.TestKeyRotation"},
	"a key set without end, or a gzip bomb": {"identity.TestKeySetsThatAreRefused/too large", "identity.TestKeySetsThatAreRefused/a gzip bomb", "identity.TestKeySetsThatAreRefused/too many keys"},
	"a redirect to other keys":              {"identity.TestKeySetsThatAreRefused/a redirect"},
	"keys from inside of the house":         {"identity.TestPrivateAddressesAreRefused", "identity.TestKeysByDiscovery", "login.TestHostileDescriptions/keys at the cloud's metadata service", "login.TestHostileDescriptions/tokens at the cloud's metadata service"},
	"a description of another issuer":       {"identity.TestKeysByDiscovery", "login.TestHostileDescriptions/another issuer"},
	"made-up tokens that ask their issuer":  {"identity.TestMadeUpTokensDoNotOpenTheBreaker", "identity.TestIntrospectionIsBounded", "identity.TestIntrospectionIsGuarded"},

	// The operators' port.
	"an admin port in the open":    {".TestAdminPortInTheOpenIsRefused", ".TestAdminPortHearsOnlyCertificatesOfItsAuthority"},
	"a verdict that nobody signed": {"revoke.TestAcceptRefuses"},
}

// Each attack has its tests, under the names that are written here.
func TestEveryThreatHasItsTests(t *testing.T) {
	sources := make(map[string]string) // Of the tests of each package.
	for threat, tests := range threats {
		t.Run(threat, func(t *testing.T) {
			if len(tests) == 0 {
				t.Error("nobody tries it")
			}
			for _, name := range tests {
				folder, test, _ := strings.Cut(name, ".")
				test, one, isCase := strings.Cut(test, "/")
				if sources[folder] == "" {
					sources[folder] = testsIn(t, folder)
				}
				found := regexp.MustCompile(`(?m)^func ` + test + `\(t \*testing\.T\)`).MatchString(sources[folder])
				if isCase && test == "TestTokens" {
					_, err := os.Stat(filepath.Join("..", "testdata", "tokens", "hostile-"+one+".txt"))
					found = found && err == nil
				} else if isCase {
					found = found && strings.Contains(sources[folder], `"`+one+`"`)
				}
				if !found {
					t.Errorf("there is no test %s", name)
				}
			}
		})
	}
}

func testsIn(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(".", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("tests of %s: %v, %v", folder, files, err)
	}
	var all strings.Builder
	for _, file := range files {
		if filepath.Base(file) == "threats_test.go" {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
