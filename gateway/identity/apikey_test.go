package identity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/event"
)

var pepper = bytes.Repeat([]byte("p"), 32)

// keyFile is a file of API keys in a folder of its own.
type keyFile struct{ file, pepper string }

func newKeyFile(t *testing.T) keyFile {
	t.Helper()
	dir := t.TempDir()
	k := keyFile{file: filepath.Join(dir, "keys.json"), pepper: filepath.Join(dir, "pepper")}
	write(t, k.pepper, append(bytes.Clone(pepper), '\n'))
	return k
}

// mint draws a key and returns its entry, too.
func mint(t *testing.T, entry identity.APIKey) (string, identity.APIKey) {
	t.Helper()
	if entry.Expires.IsZero() {
		entry.Expires = time.Unix(clock+3600, 0).UTC()
	}
	key, kept, err := identity.NewAPIKey(pepper, entry)
	if err != nil {
		t.Fatal(err)
	}
	return key, kept
}

func (k keyFile) write(t *testing.T, entries ...identity.APIKey) {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		must(0, json.NewEncoder(&b).Encode(e))
	}
	write(t, k.file, b.Bytes())
}

func (k keyFile) options(o *identity.Options) {
	o.Config.APIKeys = identity.APIKeys{Header: "x-api-key", KeysFile: k.file, PepperFile: k.pepper}
}

// withKey is a request with API keys.
func withKey(keys ...string) *http.Request {
	r := anonymous()
	r.Header["X-Api-Key"] = keys
	return r
}

func TestAPIKey(t *testing.T) {
	f, n := newKeyFile(t), names(t)
	key, entry := mint(t, identity.APIKey{ID: "vk_billing", Subject: "billing", Tenant: "acme", Kind: event.SubjectAgent, Scopes: []string{"read"}, Issued: time.Unix(clock-60, 0).UTC()})
	other, second := mint(t, identity.APIKey{ID: "vk_other", Subject: "billing"})
	f.write(t, entry, second)
	v := verifier(t, f.options)
	got, err := v.Verify(t.Context(), withKey(key), home)
	const us = "vigil:api_keys"
	want := identity.Identity{
		Tenant: "acme", Issuer: us, Subject: n.Subject(us, "billing"), Session: got.Session, TokenID: got.TokenID, ClientID: "vk_billing",
		Scopes: []string{"read"}, IssuedAt: entry.Issued, Expires: entry.Expires, Binding: event.BindingNone, Method: identity.MethodAPIKey, Kind: event.SubjectAgent,
	}
	if diff := cmp.Diff(&want, got); diff != "" || err != nil || got.Session == "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	same, err := v.Verify(t.Context(), withKey(other), home)
	if err != nil || same.Subject != got.Subject || same.Session == got.Session || same.Kind != event.SubjectService {
		t.Errorf("another key of the subject: %+v, %v", same, err)
	}
	b, err := os.ReadFile(f.file)
	_, secret, _ := strings.Cut(key, ".")
	if err != nil || bytes.Contains(b, []byte(secret)) || len(secret) != 43 {
		t.Errorf("the file holds the secret %q: %s, %v", secret, b, err)
	}
}

func TestAPIKeyAttacks(t *testing.T) {
	k, f := loadKeys(t), newKeyFile(t)
	key, entry := mint(t, identity.APIKey{ID: "vk_a", Subject: "a"})
	_, second := mint(t, identity.APIKey{ID: "vk_b", Subject: "b"})
	old, expired := mint(t, identity.APIKey{ID: "vk_old", Subject: "a", Expires: time.Unix(clock, 0)})
	f.write(t, entry, second, expired)
	v := verifier(t, f.options)
	_, secret, _ := strings.Cut(key, ".")
	token := k.sign(header, claims)
	both, cookie := withKey(key), withKey(key)
	both.Header["Authorization"] = []string{"Bearer " + token}
	cookie.Header["Authorization"] = []string{"Basic YTpi"}
	asBearer, query, body := shown("Bearer", key), shown("Bearer", token), shown("Bearer", token)
	query.URL.RawQuery = "a=1&access_token=" + token
	body.URL.RawQuery = "acc%65ss_token=x"
	for name, tt := range map[string]struct {
		request *http.Request
		want    string
	}{
		"an unknown id":                     {withKey("vk_x." + secret), identity.CodeAPIKey},
		"the secret of another key":         {withKey("vk_b." + secret), identity.CodeAPIKey},
		"the hash in place of the secret":   {withKey("vk_a." + entry.Hash), identity.CodeAPIKey},
		"no secret":                         {withKey("vk_a."), identity.CodeAPIKey},
		"no dot":                            {withKey("vk_a"), identity.CodeAPIKey},
		"empty":                             {withKey(""), identity.CodeAPIKey},
		"a space behind it":                 {withKey(key + " "), identity.CodeAPIKey},
		"too long":                          {withKey(key + strings.Repeat("x", 1<<20)), identity.CodeAPIKey},
		"expired":                           {withKey(old), identity.CodeAPIKeyExpired},
		"two keys":                          {withKey(key, key), identity.CodeMultipleCredentials},
		"a key beside a token":              {both, identity.CodeMultipleCredentials},
		"a key beside another scheme":       {cookie, identity.CodeMultipleCredentials},
		"a key as a token":                  {asBearer, identity.CodeMalformed},
		"a token in the query too":          {query, identity.CodeTokenInURL},
		"a token in the query, in disguise": {body, identity.CodeTokenInURL},
	} {
		if got := outcome(t.Context(), v, tt.request); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if got := outcome(t.Context(), verifier(t), withKey(key)); got != identity.ErrNone.Error() {
		t.Errorf("where no keys are configured: %s", got)
	}
}

// A key that is taken out of the file is refused; a broken file changes nothing.
func TestAPIKeyFileIsFollowed(t *testing.T) {
	f := newKeyFile(t)
	key, entry := mint(t, identity.APIKey{ID: "vk_a", Subject: "a", Expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)})
	_, second := mint(t, identity.APIKey{ID: "vk_bb", Subject: "b", Expires: entry.Expires})
	f.write(t, entry)
	bubble.Test(t, func(t *testing.T) {
		v := verifier(t, f.options, func(o *identity.Options) { o.Config.Issuers, o.Now = nil, time.Now })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = v.Run(ctx) }()
		step := func(want string) {
			t.Helper()
			time.Sleep(time.Minute)
			bubble.Wait()
			if got := outcome(t.Context(), v, withKey(key)); got != want {
				t.Errorf("Verify() = %s, want %s", got, want)
			}
		}
		step("ok")
		write(t, f.file, []byte("{broken"))
		step("ok")
		f.write(t, second)
		step(identity.CodeAPIKey)
		f.write(t, second, entry)
		step("ok")
		stop()
		bubble.Wait()
	})
}

func TestAPIKeyFileNamesItsFault(t *testing.T) {
	_, good := mint(t, identity.APIKey{ID: "vk_a", Subject: "a"})
	line := string(must(json.Marshal(good)))
	for want, text := range map[string]string{
		`keys_file: entry 2: id "vk_a"`: line + "\n" + line,
		"entry 1: subject: is missing":  swap(line, `"subject":"a"`, `"subject":""`),
		"expires: is missing":           swap(line, `"expires":"2026-11-22T13:00:00Z"`, `"tenant":"x"`),
		"hash: is not a SHA-256":        swap(line, good.Hash, "abc"),
		`id: "a.b" cannot stand`:        swap(line, `"vk_a"`, `"a.b"`),
		"kind: unknown value":           swap(line, `"subject"`, `"kind":"robot","subject"`),
		"unknown field":                 swap(line, `"subject"`, `"scope":"x","subject"`),
	} {
		f := newKeyFile(t)
		write(t, f.file, []byte(text))
		o := options(t)
		f.options(&o)
		_, err := identity.New(o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New() = %v, want %q", err, want)
		}
	}
	f := newKeyFile(t)
	f.write(t, good)
	write(t, f.pepper, []byte("short"))
	o := options(t)
	f.options(&o)
	_, err := identity.New(o)
	if err == nil || !strings.Contains(err.Error(), "api_keys.pepper_file: has 5 B, needs at least 32") {
		t.Errorf("New() with a short pepper = %v", err)
	}
	_, _, err = identity.NewAPIKey(pepper, identity.APIKey{ID: "a b"})
	if err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("NewAPIKey() of a faulty entry = %v", err)
	}
}
