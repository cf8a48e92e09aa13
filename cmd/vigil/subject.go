package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const namesHelp = `KIND is session, subject or token; device, client, account, address, prefix,
ja4 or route. ID is what events and verdicts show. Sessions, subjects, tokens
and accounts travel as pseudonyms, so that a person can be forgotten; give the
pseudonym, or the raw name and let it be hashed with the tenant key:

  subject   --issuer ISS --sub SUB      the claims iss and sub
  session   --issuer ISS --sid SID      iss and sid (else the token's jti)
  token     --issuer ISS --jti JTI      iss and jti
  account   --login NAME                the login name that was tried

Put -- before an ID that begins with a dash.`

// rawNames are the flags by which people name a target.
type rawNames struct{ issuer, sub, sid, jti, login string }

func (n *rawNames) addTo(c *cobra.Command) {
	c.Flags().StringVar(&n.issuer, "issuer", "", "raw name: the token's iss")
	c.Flags().StringVar(&n.sub, "sub", "", "raw name of a subject: the token's sub")
	c.Flags().StringVar(&n.sid, "sid", "", "raw name of a session: the token's sid")
	c.Flags().StringVar(&n.jti, "jti", "", "raw name of a token: its jti")
	c.Flags().StringVar(&n.login, "login", "", "raw name of an account")
}

// target reads KIND and ID, or KIND and a raw name.
func (n *rawNames) target(run runfile.Run, args []string) (*verdict.Target, error) {
	t := &verdict.Target{Kind: args[0]}
	if !slices.Contains(verdict.TargetKinds(), t.Kind) {
		return nil, app.Usage("kind: must be one of %s, is %q", strings.Join(verdict.TargetKinds(), ", "), t.Kind)
	}
	if len(args) == 2 {
		if *n != (rawNames{}) {
			return nil, app.Usage("give an ID or a raw name, not both")
		}
		t.Id = args[1]
		return t, canonical(t)
	}
	var err error
	t.Id, err = n.pseudonym(run, t.Kind)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// pseudonym is the ID of a kind by the raw name that was given for it.
func (n *rawNames) pseudonym(run runfile.Run, kind string) (string, error) {
	raw, need := n.raw(kind)
	if need == "" {
		return "", app.Usage("a %s needs its ID", kind)
	}
	if raw == "" || n.issuer == "" && kind != verdict.TargetAccount {
		return "", app.Usage("a %s needs its ID, or %s", kind, need)
	}
	pseudonyms, err := names(run)
	if err != nil {
		return "", err
	}
	switch kind {
	case verdict.TargetSubject:
		return pseudonyms.Subject(n.issuer, raw), nil
	case verdict.TargetSession:
		return pseudonyms.Session(n.issuer, raw), nil
	case verdict.TargetToken:
		return pseudonyms.Token(n.issuer, raw), nil
	}
	return pseudonyms.Account(raw), nil
}

// raw is the raw name that was given for a kind, and the flags that give one;
// "" for a kind that has none.
func (n *rawNames) raw(kind string) (name, flags string) {
	switch kind {
	case verdict.TargetSubject:
		return n.sub, "--issuer and --sub"
	case verdict.TargetSession:
		return n.sid, "--issuer and --sid"
	case verdict.TargetToken:
		return n.jti, "--issuer and --jti"
	case verdict.TargetAccount:
		return n.login, "--login"
	}
	return "", ""
}

// canonical refuses an ID that can match nothing, such as a raw name where events show
// a pseudonym, and gives a network the form
// in which everything else writes it.
func canonical(t *verdict.Target) error {
	_, need := new(rawNames).raw(t.Kind)
	switch {
	case t.Id == "" || strings.ContainsRune(t.Id, 0):
		return app.Usage("a %s needs its ID", t.Kind)
	case need != "" && !event.Pseudonym(t.Id):
		return app.Usage("%q is no pseudonym of a %s, which has 22 characters of base64url and is shown by events and verdicts; give the raw name by %s", t.Id, t.Kind, need)
	case t.Kind == verdict.TargetAddress:
		a, err := netip.ParseAddr(t.Id)
		if err != nil {
			return app.Usage("%q is not an address", t.Id)
		}
		t.Id = a.Unmap().WithZone("").String()
	case t.Kind == verdict.TargetPrefix:
		p, err := netip.ParsePrefix(t.Id)
		if err != nil {
			return app.Usage("%q is not a prefix such as 192.0.2.0/24", t.Id)
		}
		if p != p.Masked() {
			return app.Usage("%q has bits behind its length; did you mean %q?", t.Id, p.Masked())
		}
	}
	return nil
}
