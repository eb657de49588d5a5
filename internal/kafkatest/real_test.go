package kafkatest

import (
	"fmt"
	"strings"
	"testing"
)

// judged is a test that records its verdict instead of ending.
type judged struct {
	testing.TB
	name, verdict string
}

func (j *judged) Name() string              { return j.name }
func (j *judged) Helper()                   {}
func (j *judged) Fatalf(f string, a ...any) { j.verdict = "failed: " + fmt.Sprintf(f, a...); panic(j) }
func (j *judged) Skipf(f string, a ...any)  { j.verdict = "skipped: " + fmt.Sprintf(f, a...); panic(j) }

func TestReal(t *testing.T) {
	t.Run("skips a test only if nothing requires it", func(t *testing.T) {
		for _, tc := range []struct{ what, name, brokers, require, verdict string }{
			{"a broker", "TestRealKafkaX", "a:1,b:2", "1", "[a:1 b:2]"},
			{"none", "TestRealKafkaX", "", "", "skipped: needs a real Kafka and KAFKA_BROKERS is not set"},
			{"none where it is required", "TestRealKafkaX", "", "1", "failed: kafkatest: LANEWAY_REQUIRE_KAFKA is set and KAFKA_BROKERS is not"},
			{"a name that CI would not select", "TestX", "a:1", "", "failed: kafkatest: TestX needs a real Kafka, so its name must contain RealKafka"},
		} {
			t.Run(tc.what, func(t *testing.T) {
				t.Setenv("KAFKA_BROKERS", tc.brokers)
				t.Setenv("LANEWAY_REQUIRE_KAFKA", tc.require)
				j := &judged{name: tc.name}
				func() {
					defer func() {
						if r := recover(); r != nil && r != any(j) {
							panic(r)
						}
					}()
					j.verdict = fmt.Sprint(Real(j))
				}()
				if !strings.HasPrefix(j.verdict, tc.verdict) {
					t.Fatalf("%q, want %q", j.verdict, tc.verdict)
				}
			})
		}
	})
}
