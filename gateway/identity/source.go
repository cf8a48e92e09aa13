package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// fetchFunc returns an issuer's key set document.
type fetchFunc func(ctx context.Context) ([]byte, error)

// source returns how the keys of an issuer are got.
func source(spec Issuer, client *http.Client, allowPrivate bool) fetchFunc {
	switch {
	case spec.JWKSFile != "":
		return func(context.Context) ([]byte, error) { return readFile(spec.JWKSFile) }
	case spec.JWKSURL != "":
		return func(ctx context.Context) ([]byte, error) { return get(ctx, client, spec.JWKSURL) }
	}
	return func(ctx context.Context) ([]byte, error) {
		keys, err := discover(ctx, client, spec.Issuer, allowPrivate)
		if err != nil {
			return nil, err
		}
		return get(ctx, client, keys)
	}
}

// discover reads where an issuer's keys are from its OpenID configuration
// (OpenID Connect Discovery 1.0 section 4), which must be its own.
func discover(ctx context.Context, client *http.Client, issuer string, allowPrivate bool) (string, error) {
	body, err := get(ctx, client, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var doc struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	err = json.Unmarshal(body, &doc)
	if err != nil {
		return "", fmt.Errorf("decode openid configuration: %w", err)
	}
	if doc.Issuer != issuer {
		return "", fmt.Errorf("openid configuration is that of %q", doc.Issuer)
	}
	err = checkKeyURL(doc.Keys, allowPrivate)
	if err != nil {
		return "", fmt.Errorf("jwks_uri: %w", err)
	}
	return doc.Keys, nil
}

// get fetches a document of at most [KeySetBytesMax].
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // Read only: nothing is lost.
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: status %d", url, resp.StatusCode)
	}
	return readBounded(resp.Body, url, KeySetBytesMax)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	defer func() { _ = f.Close() }() // Read only: nothing is lost.
	return readBounded(f, name, KeySetBytesMax)
}

func readBounded(r io.Reader, name string, bytesMax int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, bytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(body)) > bytesMax {
		return nil, fmt.Errorf("read %s: more than %d B", name, bytesMax)
	}
	return body, nil
}

var errPrivate = errors.New("address is private")

// newClient returns a client that closes each connection: once in minutes, an idle
// one would only be a thing to leak. See guardedClient.
func newClient(allowPrivate bool) *http.Client { return guardedClient(allowPrivate, 0) }

// guardedClient returns a client of at most idle open connections that follows no redirect, uses no proxy and, unless
// allowPrivate, connects to no address that only our own house can reach: a key
// URL must not become a way to ask around in it.
func guardedClient(allowPrivate bool, idle int) *http.Client {
	dialer := &net.Dialer{
		Timeout: fetchTimeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("connect to %s: %w", address, err)
			}
			if !reachable(ap.Addr().Unmap(), allowPrivate) {
				return fmt.Errorf("connect to %s: %w", address, errPrivate)
			}
			return nil
		},
	}
	return &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchTimeout, ResponseHeaderTimeout: fetchTimeout,
			IdleConnTimeout: 30 * time.Second, MaxIdleConns: idle, MaxIdleConnsPerHost: idle, MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2: true, DisableKeepAlives: idle == 0,
		},
	}
}

// reachable reports whether keys may be fetched from a. Link-local addresses,
// where clouds keep their metadata, never are. An address that stands for one of
// version 4 is as reachable as that.
func reachable(a netip.Addr, allowPrivate bool) bool {
	inner, embedded := embeddedIn(a)
	if embedded {
		a = inner
	}
	if a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return false
	}
	private := a.IsLoopback() || a.IsPrivate()
	for _, p := range notGlobal() {
		private = private || p.Contains(a)
	}
	return allowPrivate || !private
}

// embeddedIn is the address of version 4 that a translator or a tunnel would connect to
// for one of version 6: the well-known prefix of RFC 6052, 6to4 (RFC 3056), and those of
// old that were compatible with version 4 (RFC 4291, section 2.5.5.1).
func embeddedIn(a netip.Addr) (inner netip.Addr, embedded bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case netip.MustParsePrefix("::/96").Contains(a) && !a.IsUnspecified() && !a.IsLoopback():
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return netip.Addr{}, false
}

// notGlobal are networks beside those of [netip.Addr.IsPrivate] that are not
// reached over the Internet (RFC 6890): this network, shared addresses of
// carriers, protocol assignments, benchmarks, what is reserved, the site-local
// addresses of old, translation inside of one house (RFC 8215), and the protocol
// assignments of version 6, in which Teredo's tunnels hide where they lead.
func notGlobal() []netip.Prefix {
	var list []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "fec0::/10", "64:ff9b:1::/48", "2001::/23",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}
