package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// descriptorsSpare is what a process needs beside its clients' connections: for
// upstreams, brokers and files.
const descriptorsSpare = 1024

// files looks at what configurations name on this machine.
func (e *examiner) files(f *Facts) {
	needs := uint64(descriptorsSpare)
	for _, g := range e.gateways {
		c := g.config
		f.secret(g.file, "tenant_key_file", c.TenantKeyFile)
		f.secret(g.file, "admin.token_file", c.Admin.TokenFile)
		f.secret(g.file, "listen.tls.key_file", c.Listen.TLS.KeyFile)
		f.secret(g.file, "emit.key_file", c.Emit.KeyFile)
		f.secret(g.file, "login.key_ring_file", c.Login.KeyRingFile)
		for i, path := range c.Assertion.KeyFiles {
			f.secret(g.file, "assertion.key_files["+strconv.Itoa(i)+"]", path)
		}
		f.secret(g.file, "kafka.tls.key_file", c.Kafka.TLS.KeyFile)
		f.secret(g.file, "kafka.sasl.password_file", c.Kafka.SASL.PasswordFile)
		f.certificate(g.file, "listen.tls.cert_file", c.Listen.TLS.CertFile)
		f.certificate(g.file, "kafka.tls.cert_file", c.Kafka.TLS.CertFile)
		_, err := keyfile.KeySet(c.Keys.RootPublicFile, c.Keys.KeySetFile)
		f.Keys = append(f.Keys, KeyFact{g.file, err})
		f.share(g.file, c.Lanes, c.TenantKeyFile)
		f.room(g.file+" revoke.dir", c.Revoke.Dir)
		needs = max(needs, uint64(max(c.Listen.ConnectionsMax, 0))+descriptorsSpare)
	}
	for _, a := range e.analyzers {
		c := a.config
		f.secret(a.file, "tenant_key_file", c.TenantKeyFile)
		f.secret(a.file, "admin.token_file", c.Admin.TokenFile)
		f.secret(a.file, "announce.key_file", c.Announce.KeyFile)
		f.secret(a.file, "store.password_file", c.Store.PasswordFile)
		f.secret(a.file, "store.tls.key_file", c.Store.TLS.KeyFile)
		f.secret(a.file, "kafka.tls.key_file", c.Kafka.TLS.KeyFile)
		f.secret(a.file, "kafka.sasl.password_file", c.Kafka.SASL.PasswordFile)
		f.certificate(a.file, "kafka.tls.cert_file", c.Kafka.TLS.CertFile)
		f.certificate(a.file, "store.tls.cert_file", c.Store.TLS.CertFile)
		f.Keys = append(f.Keys, KeyFact{a.file, signs(c.Announce, c.Keys.RootPublicFile, c.Keys.KeySetFile, e.in.Now())})
		f.share(a.file, c.Lanes, c.TenantKeyFile)
		f.room(a.file+" state.dir", c.State.Dir)
	}
	limit, err := ownLimit()
	f.Descriptors = append(f.Descriptors, DescriptorFact{"a process of this shell", limit, needs, err})
	for _, name := range slices.Sorted(maps.Keys(e.in.Processes)) {
		limit, err := limitOf(e.in.Processes[name])
		f.Descriptors = append(f.Descriptors, DescriptorFact{name + " (process " + strconv.Itoa(e.in.Processes[name]) + ")", limit, needs, err})
	}
}

func (f *Facts) secret(file, key, path string) {
	if path == "" || slices.ContainsFunc(f.Secrets, func(s SecretFact) bool { return s.Path == path }) {
		return
	}
	fi, err := os.Stat(path)
	fact := SecretFact{Key: file + " " + key, Path: path, Err: err}
	if err == nil {
		fact.Mode = fi.Mode()
	}
	f.Secrets = append(f.Secrets, fact)
}

func (f *Facts) certificate(file, key, path string) {
	if path == "" {
		return
	}
	fact := CertificateFact{Key: file + " " + key, Path: path}
	b, err := keyfile.Read(key, path)
	if err == nil {
		block, _ := pem.Decode(b)
		if block == nil {
			err = fmt.Errorf("%s holds no certificate in PEM form", path)
		} else {
			var c *x509.Certificate
			c, err = x509.ParseCertificate(block.Bytes)
			if err == nil {
				fact.NotAfter = c.NotAfter
			}
		}
	}
	fact.Err = err
	f.Certificates = append(f.Certificates, fact)
}

// signs reports why gateways would not believe what an analyzer signs.
func signs(c announce.Config, rootFile, setFile string, now time.Time) error {
	keys, err := keyfile.KeySet(rootFile, setFile)
	if err != nil {
		return err
	}
	private, err := announce.LoadKeys(c)
	if err != nil {
		return err
	}
	_, err = keys.Signer(verdict.ClassAnalyzer, private, now)
	if err != nil {
		return fmt.Errorf("what announce.key_file signs is not believed: %w", err)
	}
	return nil
}

// share notes what all processes must have alike. Of the tenant's key only what the
// lanes are seeded with, which tells nothing about it, is kept.
func (f *Facts) share(file string, lanes int64, keyFile string) {
	fact := SharedFact{File: file, Lanes: lanes}
	key, _, err := keyfile.TenantKey(keyFile)
	if err == nil {
		fact.Key = strconv.FormatUint(topic.SeedOf(key), 16)
	}
	f.Shared = append(f.Shared, fact)
}

func (f *Facts) room(key, path string) {
	if path == "" {
		return
	}
	free, total, err := roomAt(path)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%s is missing", path)
	}
	f.Disks = append(f.Disks, DiskFact{key, path, free, total, err})
}
