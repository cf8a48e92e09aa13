package main

import (
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// portal is what an operator shows to admin ports, and what they are verified by.
type portal struct {
	token string
	tls   *tls.Config // nil where the system's certificates are asked and none is shown.
}

// portalOf reads the token and the certificates.
func portalOf(run runfile.Run) (portal, error) {
	var p portal
	if run.AdminTokenFile != "" {
		b, err := os.ReadFile(run.AdminTokenFile)
		if err != nil {
			return p, app.Usage("read admin token: %w", err)
		}
		p.token = strings.TrimSpace(string(b))
	}
	var err error
	p.tls, err = adminTLS(run)
	return p, err
}

// adminTLS is how admin ports are reached over TLS, nil where nothing was said.
func adminTLS(run runfile.Run) (*tls.Config, error) {
	if (run.AdminCertFile == "") != (run.AdminKeyFile == "") {
		return nil, app.Usage("--admin-cert-file needs --admin-key-file, and the other way round")
	}
	if run.AdminCAFile == "" && run.AdminCertFile == "" {
		return nil, nil //nolint:nilnil // What net/http does by itself.
	}
	o := tlsfile.Options{Now: time.Now} // The files are read once: this process ends soon.
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if run.AdminCAFile != "" {
		bundle, err := tlsfile.OpenBundle(run.AdminCAFile, o)
		if err != nil {
			return nil, app.Usage("--admin-ca-file: %w", err)
		}
		c.RootCAs = bundle.Pool()
	}
	if run.AdminCertFile != "" {
		err := keyfile.Private("--admin-key-file", run.AdminKeyFile)
		if err != nil {
			return nil, app.Usage("%w", err)
		}
		pair, err := tlsfile.OpenPair(run.AdminCertFile, run.AdminKeyFile, o)
		if err != nil {
			return nil, app.Usage("--admin-cert-file: %w", err)
		}
		c.Certificates = []tls.Certificate{*pair.Certificate()}
	}
	return c, nil
}

// do sends one request, with the token where there is one, and follows no redirect.
func (p portal) do(req *http.Request) (*http.Response, error) {
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: p.tls, DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // Without the method and the address, which the caller names.
	}
	return resp, nil
}
