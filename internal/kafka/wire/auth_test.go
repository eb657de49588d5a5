package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// certified returns a certificate for 127.0.0.1 and the pool that trusts it.
func certified(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0], s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
}

func secured(t *testing.T) (*kfake.Cluster, *x509.CertPool) {
	cert, pool := certified(t)
	return cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "orders"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "ada", "secret"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}})), pool
}

func transport(t *testing.T, pool *x509.CertPool, password string) *kafka.Transport {
	m, err := scram.Mechanism(scram.SHA256, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	return &kafka.Transport{TLS: &tls.Config{RootCAs: pool}, SASL: m}
}

func TestTransport(t *testing.T) {
	t.Run("applies its TLS and SCRAM", func(t *testing.T) {
		k, pool := secured(t)
		c := client(t, Config{Brokers: k.ListenAddrs(), Transport: transport(t, pool, "secret")})
		topics, err := c.Metadata(within(t, 20*time.Second), "orders")
		if err != nil || topics[0].Err != nil {
			t.Fatal(err, topics)
		}
		_, release, err := c.Fetch(within(t, 20*time.Second), topics[0].Partitions[0].Leader, fetchOf(topics[0]))
		if err != nil {
			t.Fatal(err)
		}
		release()
		hb := kmsg.NewPtrHeartbeatRequest()
		hb.Group = "g"
		if _, err := c.Group(within(t, 20*time.Second), "g", hb); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("with a wrong password is fatal", func(t *testing.T) {
		k, pool := secured(t)
		c := client(t, Config{Brokers: k.ListenAddrs(), Transport: transport(t, pool, "guessed")})
		_, err := c.Metadata(within(t, 20*time.Second), "orders")
		var auth *kafkaerr.AuthError
		if !errors.As(err, &auth) || !Fatal(err) || Retriable(err) {
			t.Fatalf("error: %v", err)
		}
		if strings.Contains(err.Error(), "guessed") {
			t.Errorf("the error contains the password: %v", err)
		}
	})
	t.Run("with an untrusted certificate is fatal", func(t *testing.T) {
		k, _ := secured(t)
		c := client(t, Config{Brokers: k.ListenAddrs(), Transport: transport(t, x509.NewCertPool(), "secret")})
		_, err := c.Metadata(within(t, 20*time.Second), "orders")
		var auth *kafkaerr.AuthError
		if !errors.As(err, &auth) || !Fatal(err) {
			t.Fatalf("error: %v", err)
		}
	})
	t.Run("with TLS to a plain listener is not fatal", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1))
		c := client(t, Config{Brokers: k.ListenAddrs(), Transport: &kafka.Transport{TLS: &tls.Config{InsecureSkipVerify: true}, DialTimeout: time.Second}})
		_, err := c.Metadata(within(t, 20*time.Second), "orders")
		if err == nil || Fatal(err) {
			t.Fatalf("error: %v", err)
		}
		t.Log(err)
	})
}
