package source

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

func TestCopyOut(t *testing.T) {
	fetched := []byte("key0value0header0v0key1value1")
	ms := []kafka.Message{
		{Topic: "t", Partition: 3, Offset: 7, Key: fetched[:4], Value: fetched[4:10], Headers: []kafka.Header{{Key: "header0", Value: fetched[17:19]}, {Key: "none"}}},
		{Topic: "t", Partition: 3, Offset: 8, Key: fetched[19:23], Value: fetched[23:29]},
		{Topic: "t", Partition: 3, Offset: 9, Value: []byte{}}, // no key, and an empty value
	}
	want := fmt.Sprintf("%#v %#v", ms[0], ms[2])
	vals, l, bytes := Lineage(ms).(stream.Copier[kafka.Message]).CopyOut([]int{0, 2})
	if got := fmt.Sprintf("%#v %#v", vals[0], vals[1]); got != want {
		t.Fatalf("the copies are\n%s, want\n%s", got, want)
	}
	if m := l.Meta(1); m.Offset != 9 || m.Key != nil || l.Offset(0) != 7 || string(l.Key(0)) != "key0" || len(l.Meta(0).Headers) != 2 {
		t.Errorf("lineage: %+v", m)
	}
	if payload := int64(len("key0value0header0v0none")); bytes < payload {
		t.Errorf("the copies keep %d bytes alive, their payload alone has %d", bytes, payload)
	}
	clear(fetched)
	ms[0].Headers[0].Key = ""
	if got := fmt.Sprintf("%#v %#v", vals[0], vals[1]); got != want {
		t.Errorf("the copies changed with what was fetched:\n%s, want\n%s", got, want)
	}
	if _ = append(vals[0].Key, 'x'); !reflect.DeepEqual(vals[0].Value, []byte("value0")) {
		t.Errorf("an append to the key changed the value to %q", vals[0].Value)
	}
}
