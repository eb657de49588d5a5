package kafkatest

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
)

// start says how to get what a skipped test lacks.
const start = "start one with `.ci/kafka run 4.3.1 -- go test -run RealKafka ./...`"

// Real returns the addresses of a real Apache Kafka: the plain-text listener named by
// KAFKA_BROKERS. Without one the test is skipped, or fails if LANEWAY_REQUIRE_KAFKA is set, as in
// CI. CI selects its real-Kafka suite by name, so a test without "RealKafka" in its name would
// never run there: it fails everywhere.
func Real(t testing.TB) []string {
	t.Helper()
	return strings.Split(variable(t, "KAFKA_BROKERS"), ",")
}

// Secured is a listener with TLS and SASL SCRAM-SHA-512.
type Secured struct {
	Brokers        []string
	User, Password string
	TLS            *tls.Config // trusts only the broker's certificate
}

// RealSecured returns the TLS and SCRAM listener of the broker that [Real] gives. The test is
// skipped or fails like with Real.
func RealSecured(t testing.TB) Secured {
	t.Helper()
	s := Secured{Brokers: strings.Split(variable(t, "KAFKA_SASL_BROKERS"), ","),
		User: variable(t, "KAFKA_SASL_USER"), Password: variable(t, "KAFKA_SASL_PASSWORD"), TLS: &tls.Config{RootCAs: x509.NewCertPool()}}
	file := variable(t, "KAFKA_SASL_CA_FILE")
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("kafkatest: the certificate that KAFKA_SASL_CA_FILE names: %v", err)
	}
	if !s.TLS.RootCAs.AppendCertsFromPEM(pem) {
		t.Fatalf("kafkatest: %s, which KAFKA_SASL_CA_FILE names, holds no PEM certificate", file)
	}
	return s
}

// Version returns the release of the broker that [Real] gives, such as "4.3.1".
func Version(t testing.TB) string {
	t.Helper()
	return variable(t, "KAFKA_VERSION")
}

func variable(t testing.TB, name string) string {
	t.Helper()
	if !strings.Contains(t.Name(), "RealKafka") {
		t.Fatalf("kafkatest: %s needs a real Kafka, so its name must contain RealKafka: CI selects the suite by it", t.Name())
	}
	value := os.Getenv(name)
	switch {
	case value != "":
	case os.Getenv("LANEWAY_REQUIRE_KAFKA") != "":
		t.Fatalf("kafkatest: LANEWAY_REQUIRE_KAFKA is set and %s is not: %s", name, start)
	default:
		t.Skipf("needs a real Kafka and %s is not set: %s", name, start)
	}
	return value
}
