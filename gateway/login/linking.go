package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rules by which the accounts of one person at several providers are linked.
const (
	// LinkNone links none: each account is a subject of its own.
	LinkNone = "none"
	// LinkVerifiedEmail makes one subject of the accounts that share an email address,
	// each vouched for by a provider that is trusted for its domain.
	LinkVerifiedEmail = "verified_email"
)

// Linking says whether the accounts of a tenant's people are linked. Without one they
// are not.
type Linking struct {
	// Tenant that it is about; "default" where empty.
	Tenant string `mapstructure:"tenant"`
	// Rule is none, or verified_email: who signs in with an address that his provider
	// has verified, and whose domain the provider is trusted for (its email_domains),
	// is one subject at all such providers, with the address as its sub and
	// urn:vigil:linked:TENANT as its issuer. A subject of before is not taken along.
	Rule string `mapstructure:"rule"`
	// Except lists addresses that are not linked: whoever was by one of them is his
	// own account again, and signs in anew.
	Except []string `mapstructure:"except"`
}

// linkedIssuer stands for the issuer in the pseudonyms of linked people of a tenant:
// by it and the address an operator names them.
func linkedIssuer(tenant string) string { return "urn:vigil:linked:" + tenant }

// linkingFaults reports what is wrong with the rules, each fault with its key.
func (c Config) linkingFaults() []error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	rules := make(map[string]int)
	for i, k := range c.Linking {
		tenant := tenantOf(k.Tenant)
		if k.Rule != LinkNone && k.Rule != LinkVerifiedEmail {
			add("linking[%d].rule: must be %s or %s, is %q", i, LinkNone, LinkVerifiedEmail, k.Rule)
		}
		if k.Rule == LinkVerifiedEmail && !c.shares(tenant) {
			add("linking[%d].rule: links nobody: no two providers of tenant %q are trusted for one of email_domains", i, tenant)
		}
		if len(k.Except) > linkingExceptMax {
			add("linking[%d].except: at most %d are allowed, there are %d", i, linkingExceptMax, len(k.Except))
		}
		for j, raw := range k.Except {
			address, err := mailbox(raw)
			if err != nil || address != raw {
				add("linking[%d].except[%d]: must be an address in lower case, is %q", i, j, raw)
			}
		}
		first, dup := rules[tenant]
		if dup {
			add("linking[%d].tenant: %q is also that of linking[%d]", i, tenant, first)
		}
		rules[tenant] = i
	}
	for i, p := range c.Providers {
		_, ruled := rules[tenantOf(p.Tenant)]
		if len(p.EmailDomains) > 0 && !ruled {
			add("providers[%d].email_domains: there is no linking rule for tenant %q", i, tenantOf(p.Tenant))
		}
		for _, err := range p.trustFaults() {
			errs = append(errs, fmt.Errorf("providers[%d].%w", i, err))
		}
	}
	return errs
}

// trustFaults reports what is wrong with what a provider is trusted for, each fault
// prefixed by its key.
func (p Provider) trustFaults() []error {
	var errs []error
	if len(p.EmailDomains) > 0 && p.Type != TypeOAuth2 && !slices.Contains(p.Scopes, "email") {
		errs = append(errs, errors.New("scopes: must have email, for email_domains"))
	}
	for i, d := range p.EmailDomains {
		address, err := mailbox("a@" + d)
		if err != nil || address != "a@"+d || slices.Contains(p.EmailDomains[:i], d) {
			errs = append(errs, fmt.Errorf("email_domains[%d]: must be one whole domain in lower case, named once, is %q", i, d))
		}
	}
	return errs
}

// shares reports whether two providers of a tenant are trusted for one domain.
func (c Config) shares(tenant string) bool {
	seen := make(map[string]int)
	for i, p := range c.Providers {
		if tenantOf(p.Tenant) != tenant {
			continue
		}
		for _, d := range p.EmailDomains {
			first, there := seen[d]
			if there && first != i {
				return true
			}
			seen[d] = i
		}
	}
	return false
}

// linking is by which addresses nobody is linked, for each tenant that links.
type linking map[string]map[string]bool

func newLinking(rules []Linking) linking {
	out := make(linking)
	for _, k := range rules {
		if k.Rule != LinkVerifiedEmail {
			continue
		}
		except := make(map[string]bool, len(k.Except))
		for _, address := range k.Except {
			except[address] = true
		}
		out[tenantOf(k.Tenant)] = except
	}
	return out
}

// person is whom an account stands for, by the address that its provider has
// verified; empty where it stands for itself.
func (k linking) person(p Provider, address string) string {
	except, links := k[p.Tenant]
	_, domain, _ := strings.Cut(address, "@")
	if !links || address == "" || except[address] || !slices.Contains(p.EmailDomains, domain) {
		return ""
	}
	return address
}

// verifiedEmail is the address that claims say is a person's and verified, as
// [mailbox] writes it; empty for none. said reports whether they speak of one at all.
// Some providers write the truth as text.
func verifiedEmail(claims []byte) (address string, said bool) {
	var all map[string]json.RawMessage // A struct would take "Email" for "email".
	if json.Unmarshal(claims, &all) != nil {
		return "", false // Cannot happen: they were read before.
	}
	email, verified := all["email"], string(all["email_verified"])
	said = email != nil || verified != ""
	var raw string
	if verified != `true` && verified != `"true"` || json.Unmarshal(email, &raw) != nil {
		return "", said
	}
	address, err := mailbox(raw)
	if err != nil {
		return "", said
	}
	return address, said
}

var errMailbox = errors.New("is no plain email address")

// mailbox is an email address in the form in which two are compared: in lower case,
// and otherwise as it is, since what dots and a plus mean is the business of whoever
// delivers it. Only plain ASCII is one (the dot-atom of RFC 5322, section 3.4.1, at a
// domain with at least two labels): letters that look alike, or become alike in lower
// case, have let strangers in elsewhere.
func mailbox(raw string) (string, error) {
	local, domain, _ := strings.Cut(raw, "@")
	if len(raw) > mailboxBytesMax || !dotted(local, atomMarks, 1) || !dotted(domain, "-", 2) {
		return "", errMailbox
	}
	for label := range strings.SplitSeq(domain, ".") {
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") || len(label) > 63 {
			return "", errMailbox
		}
	}
	return strings.ToLower(raw), nil
}

// atomMarks may stand in the local part of an address beside letters and digits.
const atomMarks = "!#$%&'*+-/=?^_`{|}~"

// dotted reports whether text is at least so many parts with dots between, each of
// ASCII letters, digits and marks.
func dotted(text, marks string, least int) bool {
	parts := 0
	for part := range strings.SplitSeq(text, ".") {
		if part == "" {
			return false
		}
		for _, c := range []byte(part) {
			letter := 'a' <= c|0x20 && c|0x20 <= 'z'
			if !letter && (c < '0' || c > '9') && strings.IndexByte(marks, c) < 0 {
				return false
			}
		}
		parts++
	}
	return parts >= least
}
