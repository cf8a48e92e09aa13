package identity

import (
	"context"
	"errors"
	"mime"
	"slices"
	"strings"
	"time"
)

// A signed answer about a token (RFC 9701): its media type, and the typ of its JWT.
const (
	signedAnswerMedia = "application/token-introspection+jwt"
	signedAnswerType  = "token-introspection+jwt"
)

// hasKeys reports whether the issuer's keys are needed: for its tokens, or for its
// answers about them.
func (is *issuer) hasKeys() bool { return is.ask == nil || is.ask.config.Signed }

// signedAnswer returns what an issuer has signed about a token (RFC 9701 section 5):
// a JWT of the answers' own type, by a key of the issuer, in its name, for this client
// of it, and made just now. What is wrong with it is never the fault of whoever shows
// the token, so that no error is an [Error].
func (is *issuer) signedAnswer(ctx context.Context, media, text string) (object, error) {
	kind, _, err := mime.ParseMediaType(media)
	if err != nil || kind != signedAnswerMedia {
		return nil, errors.New("introspect: the answer is not signed")
	}
	bad := func(why error) error { return errors.New("introspect: signed answer: " + why.Error()) }
	p, err := parse(text)
	if err != nil {
		return nil, bad(err)
	}
	if !strings.EqualFold(strings.TrimPrefix(strings.ToLower(p.typ), "application/"), signedAnswerType) {
		return nil, errors.New("introspect: signed answer: is a JWT of another type")
	}
	if !slices.Contains(is.spec.Algorithms, p.alg) {
		return nil, errors.New("introspect: signed answer: its algorithm is not accepted")
	}
	_, k, err := is.key(ctx, p)
	if err != nil {
		return nil, bad(err)
	}
	err = checkSignature(p, k)
	if err != nil {
		return nil, bad(err)
	}
	err = is.checkAnswer(p.claims)
	if err != nil {
		return nil, bad(err)
	}
	o, err := parseObject(p.claims.get("token_introspection"))
	if err != nil {
		return nil, bad(err)
	}
	return o, nil
}

// checkAnswer checks whose answer it is, for whom, and that it was made just now.
func (is *issuer) checkAnswer(o object) error {
	r := reader{o: o}
	from, to, made, ends := r.name("iss"), r.list("aud", false), r.time("iat"), r.time("exp")
	now := is.now()
	switch {
	case r.err != nil:
		return r.err
	case from != is.spec.Issuer:
		return errors.New("is another issuer's")
	case !slices.Contains(to, is.spec.Introspection.ClientID):
		return errors.New("is for somebody else")
	case made.IsZero():
		return errors.New("does not say when it was made")
	case absolute(now.Sub(made)) > is.spec.Leeway+is.ask.config.Timeout:
		return errors.New("was not made just now")
	case !ends.IsZero() && !now.Before(ends.Add(is.spec.Leeway)):
		return errors.New("has expired")
	}
	return nil
}

func absolute(d time.Duration) time.Duration { return max(d, -d) }
