package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// issuerAPIKeys stands for an issuer in the pseudonyms of API keys.
const issuerAPIKeys = "vigil:api_keys"

// APIKeys says where API keys are looked up. A key is PREFIX_ID.SECRET: the part
// before the dot names its entry in the file, the part behind it is secret.
type APIKeys struct {
	// Header that carries the key; X-Api-Key where not changed.
	Header string `mapstructure:"header"`
	// KeysFile holds the entries, as vigil keys api makes them. It is read again when
	// it changes. Empty for no API keys.
	KeysFile string `mapstructure:"keys_file"`
	// PepperFile holds at least 32 bytes without which the hashes in the file are
	// of no use, the same on every gateway.
	PepperFile string `mapstructure:"pepper_file"`
}

func (c APIKeys) faults() []error {
	var errs []error
	if c.KeysFile == "" && c.PepperFile == "" {
		return nil
	}
	if c.KeysFile == "" || c.PepperFile == "" {
		errs = append(errs, errors.New("api_keys: keys_file and pepper_file go together"))
	}
	if !httpguts.ValidHeaderFieldName(c.Header) || slices.Contains([]string{"Authorization", "Cookie", "Dpop", "Host", "Proxy-Authorization"}, http.CanonicalHeaderKey(c.Header)) {
		errs = append(errs, fmt.Errorf("api_keys.header: %q cannot carry API keys", c.Header))
	}
	return errs
}

// APIKey is one entry of the file of API keys.
type APIKey struct {
	// ID is the part of the key before the dot.
	ID string `json:"id"`
	// Hash is the HMAC-SHA256 of the key under the pepper, in hex. A slow hash
	// would add nothing but load: the secret has 256 random bits, which nobody
	// guesses at any speed.
	Hash string `json:"hash"`
	// Subject that the key acts for.
	Subject string `json:"subject"`
	// Tenant of the subject; "default" where empty.
	Tenant string `json:"tenant,omitempty"`
	// Kind is human, service or agent; service where empty.
	Kind string `json:"kind,omitempty"`
	// Scopes that the key has.
	Scopes []string `json:"scopes,omitempty"`
	// Issued is when the key was drawn: a verdict about its subject touches the
	// keys that were drawn before it. Where absent it touches every one.
	Issued time.Time `json:"issued,omitzero"`
	// Expires is when the key ends. It is required: what never ends is never
	// cleaned up.
	Expires time.Time `json:"expires"`
}

// NewAPIKey draws a key for what entry says, whose ID is PREFIX or PREFIX_NAME,
// and returns it with the entry to be kept. The key is shown this once.
func NewAPIKey(pepper []byte, entry APIKey) (key string, kept APIKey, err error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // Never fails: crypto/rand crashes the program instead.
	key = entry.ID + "." + base64.RawURLEncoding.EncodeToString(secret[:])
	entry.Hash = hex.EncodeToString(hashAPIKey(pepper, key))
	return key, entry, entry.fault()
}

// ReadPepper reads the file that [APIKeys.PepperFile] names.
func ReadPepper(name string) ([]byte, error) {
	pepper, err := readSecret(name)
	if err != nil {
		return nil, err
	}
	if len(pepper) < pepperBytesMin {
		return nil, fmt.Errorf("has %d B, needs at least %d", len(pepper), pepperBytesMin)
	}
	return []byte(pepper), nil
}

func hashAPIKey(pepper []byte, key string) []byte {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(key))
	return mac.Sum(nil)
}

// fault reports what is wrong with an entry.
func (k APIKey) fault() error {
	var errs []error
	if k.ID == "" || len(k.ID) > NameBytesMax || strings.Trim(k.ID, token68) != "" || strings.ContainsAny(k.ID, ".=") {
		errs = append(errs, fmt.Errorf("id: %q cannot stand before the dot of a key", k.ID))
	}
	hash, err := hex.DecodeString(k.Hash)
	if err != nil || len(hash) != sha256.Size {
		errs = append(errs, errors.New("hash: is not a SHA-256 in hex"))
	}
	if k.Subject == "" {
		errs = append(errs, errors.New("subject: is missing"))
	}
	if k.Expires.IsZero() {
		errs = append(errs, errors.New("expires: is missing"))
	}
	if k.Kind != "" && !slices.Contains(kinds(), k.Kind) {
		errs = append(errs, fmt.Errorf("kind: unknown value %q, must be one of %s", k.Kind, strings.Join(kinds(), ", ")))
	}
	return errors.Join(errs...)
}

func kinds() []string {
	return []string{event.SubjectHuman, event.SubjectService, event.SubjectAgent}
}

// apiKeys are the keys of a file.
type apiKeys struct {
	config APIKeys
	header string // Canonical.
	log    *slog.Logger
	names  event.Names

	table atomic.Pointer[map[string]apiKey]
	stamp stamp
}

// apiKey is one key that may be used.
type apiKey struct {
	hash     []byte
	pepper   []byte
	identity Identity
}

// stamp recognises a change of a file.
type stamp struct {
	modified time.Time
	size     int64
}

// newAPIKeys reads the file; nil where none is configured.
func newAPIKeys(c APIKeys, names event.Names, log *slog.Logger) (*apiKeys, error) {
	if c.KeysFile == "" {
		return nil, nil //nolint:nilnil // No file, no keys.
	}
	k := &apiKeys{config: c, header: http.CanonicalHeaderKey(c.Header), log: log, names: names}
	_, err := k.load()
	if err != nil {
		return nil, err
	}
	return k, nil
}

// load reads the file where it has changed, and reports whether it had.
func (k *apiKeys) load() (bool, error) {
	fi, err := os.Stat(k.config.KeysFile)
	if err != nil {
		return false, fmt.Errorf("keys_file: %w", err)
	}
	s := stamp{modified: fi.ModTime(), size: fi.Size()}
	if s == k.stamp {
		return false, nil
	}
	if s.size > APIKeyFileBytesMax {
		return false, fmt.Errorf("keys_file: has %d B, at most %d are allowed", s.size, APIKeyFileBytesMax)
	}
	k.stamp = s // Also where it is broken: a broken file is tried once.
	pepper, err := ReadPepper(k.config.PepperFile)
	if err != nil {
		return true, fmt.Errorf("pepper_file: %w", err)
	}
	f, err := os.Open(k.config.KeysFile)
	if err != nil {
		return true, fmt.Errorf("keys_file: %w", err)
	}
	defer func() { _ = f.Close() }() // Read only: nothing is lost.
	table, err := readAPIKeys(f, pepper, k.names)
	if err != nil {
		return true, fmt.Errorf("keys_file: %w", err)
	}
	k.table.Store(&table)
	return true, nil
}

// readAPIKeys reads entries, one JSON object after the other.
func readAPIKeys(r io.Reader, pepper []byte, names event.Names) (map[string]apiKey, error) {
	table := make(map[string]apiKey)
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	for n := 1; ; n++ {
		var e APIKey
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return table, nil
		}
		if err == nil {
			err = e.fault()
		}
		_, dup := table[e.ID]
		switch {
		case err != nil:
			return nil, fmt.Errorf("entry %d: %w", n, err)
		case dup:
			return nil, fmt.Errorf("entry %d: id %q is there twice", n, e.ID)
		case n > APIKeysMax:
			return nil, fmt.Errorf("more than %d keys", APIKeysMax)
		}
		hash, _ := hex.DecodeString(e.Hash) // Looked at by fault.
		table[e.ID] = apiKey{hash: hash, pepper: pepper, identity: e.identity(names)}
	}
}

// identity is who the key acts for. Its session is the key itself.
func (k APIKey) identity(names event.Names) Identity {
	id := Identity{
		Tenant: k.Tenant, Issuer: issuerAPIKeys, ClientID: k.ID, Scopes: k.Scopes, IssuedAt: k.Issued, Expires: k.Expires,
		Binding: event.BindingNone, Method: MethodAPIKey, Kind: k.Kind,
	}
	if id.Tenant == "" {
		id.Tenant = tenantDefault
	}
	if id.Kind == "" {
		id.Kind = event.SubjectService
	}
	return Plain{Subject: k.Subject, Token: k.ID + "." + k.Hash}.Identity(names, id)
}

// verify returns who a key acts for. A key that is not there costs as much as one
// whose secret is wrong, and looks the same.
func (k *apiKeys) verify(key string, now time.Time) (Identity, error) {
	id, _, ok := strings.Cut(key, ".")
	if !ok || len(key) > NameBytesMax {
		return Identity{}, fault(CodeAPIKey, "The API key is not known")
	}
	e := (*k.table.Load())[id]
	good := hmac.Equal(hashAPIKey(e.pepper, key), e.hash)
	switch {
	case !good:
		return Identity{}, fault(CodeAPIKey, "The API key is not known")
	case !now.Before(e.identity.Expires):
		return Identity{}, fault(CodeAPIKeyExpired, "The API key has expired")
	}
	return e.identity, nil
}

// follow reads the file when it has changed, until ctx ends. Where it is broken
// the keys stay as they were.
func (k *apiKeys) follow(ctx context.Context) {
	tick := time.NewTicker(filePoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := k.load()
		switch {
		case err != nil && changed:
			k.log.ErrorContext(ctx, "new API keys cannot be used, the old ones stay", "file", k.config.KeysFile, "error", err)
		case err != nil:
			k.log.WarnContext(ctx, "look at API keys", "file", k.config.KeysFile, "error", err)
		case changed:
			k.log.InfoContext(ctx, "API keys loaded", "file", k.config.KeysFile, "keys", len(*k.table.Load()))
		}
	}
}
