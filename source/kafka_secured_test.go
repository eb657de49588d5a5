package source_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	kscram "github.com/twmb/franz-go/pkg/sasl/scram"
)

func TestKafkaTLSAndSCRAM(t *testing.T) {
	s := httptest.NewTLSServer(nil) // for its certificate
	defer s.Close()
	pool := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "orders"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "ada", "secret"),
		kfake.TLS(&tls.Config{Certificates: s.TLS.Certificates}))
	write(t, producer(t, k, kgo.DialTLSConfig(&tls.Config{RootCAs: pool}), kgo.SASL(kscram.Auth{User: "ada", Pass: "secret"}.AsSha512Mechanism())), "orders", 2, 100)
	for _, password := range []string{"secret", "guessed"} {
		t.Run(password, func(t *testing.T) {
			m, err := scram.Mechanism(scram.SHA512, "ada", password)
			if err != nil {
				t.Fatal(err)
			}
			cfg := config(k)
			cfg.Transport = &kafka.Transport{TLS: &tls.Config{RootCAs: pool}, SASL: m}
			got := newRecorder()
			r := run(t, source.Kafka(cfg).Serial(got.record).CommitEach())
			if password == "secret" {
				got.wait(t, 200)
				r.stop()
				return
			}
			err = r.result()
			var auth *kafkaerr.AuthError
			if !errors.As(err, &auth) || strings.Contains(err.Error(), password) {
				t.Fatalf("error: %v", err)
			}
		})
	}
}
