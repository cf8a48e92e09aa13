package listen

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"slices"
)

// Extensions that JA4 looks at by themselves (IANA, TLS ExtensionType Values).
const (
	extensionServerName = 0x0000
	extensionALPN       = 0x0010
)

// helloKey is the key of a connection's greeting in its context.
type helloKey struct{}

// greeting is what a client's hello has shown. It is written by the handshake,
// which is over before the connection's first request.
type greeting struct{ ja4 string }

// JA4 is the fingerprint of the ClientHello of the connection that a request came
// on, by its context: "t13d1516h2_8daaf6152771_e5627efa2ab1". Empty without TLS.
func JA4(ctx context.Context) string {
	g, ok := ctx.Value(helloKey{}).(*greeting)
	if !ok {
		return ""
	}
	return g.ja4
}

// withGreeting makes room for what the hello of a connection will show.
func withGreeting(next func(context.Context, net.Conn) context.Context) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, c net.Conn) context.Context {
		ctx = context.WithValue(ctx, helloKey{}, new(greeting))
		if next == nil {
			return ctx
		}
		return next(ctx, c)
	}
}

// noting has the fingerprint of each hello noted before next chooses its
// configuration. It is for tls.Config.GetConfigForClient, which sees the hellos of
// resumed sessions too.
func noting(next func(*tls.ClientHelloInfo) (*tls.Config, error)) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		g, ok := hello.Context().Value(helloKey{}).(*greeting)
		if ok {
			g.ja4 = fingerprint(hello)
		}
		if next == nil {
			return nil, nil //nolint:nilnil // The listener's own configuration, as crypto/tls has it.
		}
		return next(hello)
	}
}

// fingerprint is the JA4 of a hello over TCP: the TLS client fingerprint of FoxIO
// (2023), as its technical description has it. Its parts are what the client can
// speak, how many ciphers and extensions it names, its first application protocol,
// and hashes of the sorted ciphers, and of the sorted extensions with the signature
// algorithms in the client's order, so that a client that shuffles them stays the
// same. Values that only keep servers tolerant (GREASE, RFC 8701) are left out.
func fingerprint(hello *tls.ClientHelloInfo) string {
	var room [3 * helloEntriesMax]uint16 // On the stack: nothing but the result is allocated.
	ciphers := ungreased(room[:0:helloEntriesMax], hello.CipherSuites)
	extensions := ungreased(room[helloEntriesMax:helloEntriesMax:2*helloEntriesMax], hello.Extensions)
	schemes := ungreased(room[2*helloEntriesMax:2*helloEntriesMax], hello.SignatureSchemes)

	out := make([]byte, 0, ja4Bytes)
	out = append(out, 't')
	out = append(out, versionName(hello.SupportedVersions)...)
	if slices.Contains(extensions, extensionServerName) {
		out = append(out, 'd')
	} else {
		out = append(out, 'i')
	}
	out = appendCount(out, len(ciphers))
	out = appendCount(out, len(extensions))
	out = appendProtocol(out, hello.SupportedProtos)

	slices.Sort(ciphers)
	out = append(out, '_')
	out = appendHash(out, ciphers, nil)
	extensions = slices.DeleteFunc(extensions, func(e uint16) bool { return e == extensionServerName || e == extensionALPN })
	slices.Sort(extensions)
	out = append(out, '_')
	out = appendHash(out, extensions, schemes)
	return string(out)
}

// ungreased appends values to out, which has room for helloEntriesMax, without GREASE.
func ungreased[T ~uint16](out []uint16, values []T) []uint16 {
	for _, v := range values {
		if len(out) == helloEntriesMax {
			break
		}
		if !grease(uint16(v)) {
			out = append(out, uint16(v))
		}
	}
	return out
}

// grease reports whether a value is one of the sixteen of RFC 8701.
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// versionName is the highest version that a client speaks, in two characters.
func versionName(versions []uint16) string {
	var highest uint16
	for _, v := range versions {
		if !grease(v) {
			highest = max(highest, v)
		}
	}
	switch highest {
	case tls.VersionTLS13:
		return "13"
	case tls.VersionTLS12:
		return "12"
	case tls.VersionTLS11:
		return "11"
	case tls.VersionTLS10:
		return "10"
	case 0x0300:
		return "s3"
	}
	return "00"
}

// appendCount writes a count in two digits, at most 99.
func appendCount(out []byte, n int) []byte {
	n = min(n, 99)
	return append(out, byte('0'+n/10), byte('0'+n%10))
}

// appendProtocol writes the first and the last character of the first application
// protocol, of its hexadecimal form where one of them is neither letter nor digit.
func appendProtocol(out []byte, protocols []string) []byte {
	if len(protocols) == 0 || protocols[0] == "" {
		return append(out, "00"...)
	}
	first, last := protocols[0][0], protocols[0][len(protocols[0])-1]
	if alphanumeric(first) && alphanumeric(last) {
		return append(out, first, last)
	}
	return append(out, hexDigits[first>>4], hexDigits[last&0xf])
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

const hexDigits = "0123456789abcdef"

// appendHash writes the first twelve hexadecimal digits of the SHA-256 of values,
// and of what comes behind them where there is something; zeros for no values.
func appendHash(out []byte, values, behind []uint16) []byte {
	if len(values) == 0 {
		return append(out, "000000000000"...)
	}
	var room [2*helloEntriesMax*len("ffff,") + 1]byte
	text := appendList(room[:0], values)
	if len(behind) > 0 {
		text = appendList(append(text, '_'), behind)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(out, sum[:6])
}

// appendList writes values in four hexadecimal digits each, with commas between.
func appendList(out []byte, values []uint16) []byte {
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, hexDigits[v>>12], hexDigits[v>>8&0xf], hexDigits[v>>4&0xf], hexDigits[v&0xf])
	}
	return out
}
