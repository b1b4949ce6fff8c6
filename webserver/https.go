package webserver

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/revision"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// certificateCheck is the interval of checking the files of a certificate.
const certificateCheck = time.Second

// keyPair is a certificate that is read again when its files change. When the new pair cannot
// be read, the old one stays in use.
type keyPair struct {
	files serving.Certificate
	log   *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	version [2]revision.Revision // of the files that were read last
	settled bool                 // a change of the files makes another version
	looked  time.Time
}

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.looked) >= certificateCheck {
		k.looked = time.Now()
		before, known := k.version, k.settled
		if version, settled := k.onDisk(); version != before || !known {
			if err := k.read(version, settled); err != nil && version != before {
				k.log.Error("keeping the previous certificate", "socket", k.files.Address, "error", err)
			}
		}
	}
	return k.pair, nil
}

// onDisk identifies the current files.
func (k *keyPair) onDisk() (version [2]revision.Revision, settled bool) {
	cert, one := revision.At(k.files.Cert)
	key, other := revision.At(k.files.Key)
	return [2]revision.Revision{cert, key}, one && other
}

// read reads the pair. The version was examined before.
func (k *keyPair) read(version [2]revision.Revision, settled bool) error {
	pair, err := tls.LoadX509KeyPair(k.files.Cert, k.files.Key)
	k.version, k.settled = version, settled // a broken pair is not read again until it changes
	if err != nil {
		return fmt.Errorf("cannot use certificate %q with key %q: %w", k.files.Cert, k.files.Key, err)
	}
	k.pair = &pair
	return nil
}

// newTLS reads the files of a certificate for the first time.
func newTLS(c serving.Certificate, log *slog.Logger) (*tls.Config, error) {
	k := &keyPair{files: c, log: log, looked: time.Now()}
	if err := k.read(k.onDisk()); err != nil {
		return nil, err
	}
	config := &tls.Config{GetCertificate: k.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.ClientCA != "" {
		pem, err := os.ReadFile(c.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("cannot use client authorities: %w", err)
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot use client authorities: no certificate in %q", c.ClientCA)
		}
	}
	return config, nil
}

// nextCertificate returns the configuration of the next TLS socket: certificates and sockets
// have the same order.
func (s *server) nextCertificate(name string) (*tls.Config, error) {
	if s.secured >= len(s.config.Options.Certificates) {
		return nil, fmt.Errorf("cannot serve %s: there is no certificate for it", name)
	}
	c := s.config.Options.Certificates[s.secured]
	s.secured++
	config, err := newTLS(c, s.config.Log)
	if err != nil {
		return nil, fmt.Errorf("cannot serve %s %s: %w", name, c.Address, err)
	}
	return config, nil
}
