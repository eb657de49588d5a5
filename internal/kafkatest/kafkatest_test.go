package kafkatest

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// lookAtAGroup has one franz-go member consume two partitions and commit, and inspects that like
// the other tests of this module do.
func lookAtAGroup(t *testing.T, brokers []string, opts ...kgo.Opt) {
	k := At(t, brokers, opts...)
	topic, group := k.Topic(2, "retention.ms=3600000"), Name("group")
	k.WaitMembers(group, 0)
	if got := k.Committed(group, topic); len(got) != 0 {
		t.Fatalf("an unknown group has committed %v", got)
	}
	for i := range 10 {
		k.Produce(topic, &kgo.Record{Partition: int32(i % 2), Value: fmt.Append(nil, i)})
	}
	member, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	defer member.Close()
	for n := 0; n < 10; {
		f := member.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		n += f.NumRecords()
	}
	k.WaitMembers(group, 1)
	if err := member.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	want := map[int32]int64{0: 5, 1: 5}
	k.WaitCommitted(group, topic, want)
	if got := k.Committed(group, topic); !maps.Equal(got, want) {
		t.Fatalf("committed %v, want %v", got, want)
	}
	member.Close()
	k.WaitMembers(group, 0)
}

func TestGroup(t *testing.T) {
	lookAtAGroup(t, Fake(t, kfake.NumBrokers(2)).ListenAddrs())
}

func TestGroupRealKafka(t *testing.T) { lookAtAGroup(t, Real(t)) }

func TestGroupOverTLSAndSCRAMRealKafka(t *testing.T) {
	s := RealSecured(t)
	lookAtAGroup(t, s.Brokers, kgo.DialTLSConfig(s.TLS), kgo.SASL(scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism()))
}

func TestWrongPasswordRealKafka(t *testing.T) {
	s := RealSecured(t)
	k := At(t, s.Brokers, kgo.DialTLSConfig(s.TLS), kgo.SASL(scram.Auth{User: s.User, Pass: "guessed"}.AsSha512Mechanism()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := k.Client.Ping(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("a wrong password gave the error %v", err)
	}
}

func TestKilledBrokerRealKafka(t *testing.T) {
	b := Own(t, "num.partitions=2")
	k := At(t, b.Brokers)
	topic := k.Topic(1)
	k.Produce(topic, &kgo.Record{Value: []byte("before")})
	b.Kill()
	b.Start()
	k.Produce(topic, &kgo.Record{Value: []byte("between")})
	b.Stop()
	b.Start()
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []string
	for len(got) < 2 {
		f := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("read %q within %v", got, patience)
		}
		f.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	if fmt.Sprint(got) != "[before between]" {
		t.Fatalf("read %q", got)
	}
}

func TestJavaMemberRealKafka(t *testing.T) {
	k := At(t, Real(t))
	topic, group := k.Topic(1), Name("group")
	k.Produce(topic, &kgo.Record{Value: []byte("one")}, &kgo.Record{Value: []byte("two")})
	m := JavaMember(t, group, topic, "CooperativeStickyAssignor")
	if got, want := m.Await(2), []string{"Partition:0\tOffset:0\tone", "Partition:0\tOffset:1\ttwo"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("the member printed %q, want %q", got, want)
	}
	k.WaitMembers(group, 1)
	m.Leave()
	k.WaitMembers(group, 0)
	k.WaitCommitted(group, topic, map[int32]int64{0: 2})
}
