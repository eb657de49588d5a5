package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"sync"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// letterFile is a sink, like anything with Write. A topic, a table or a bucket would do as well.
type letterFile struct {
	mu   sync.Mutex // partitions are written concurrently
	file *os.File
}

// letter is a line of the file: all that is needed to fix the record and send it again.
type letter struct {
	Record   string
	Key      string
	Value    string
	Step     string
	Attempts int
	Error    string
}

func newLetterFile() (*letterFile, error) {
	f, err := os.CreateTemp("", "letters-*.jsonl")
	return &letterFile{file: f}, err
}

// Write returns once the letters are on disk. Only then are their records done.
func (l *letterFile) Write(_ context.Context, failures []stream.Out[stream.Failure]) error {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for _, f := range failures {
		m := f.Value.Record.(kafka.Message) // as it was read
		if err := enc.Encode(letter{f.Meta.String(), string(m.Key), string(m.Value), f.Value.Step, f.Value.Attempts, f.Value.Err.Error()}); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(lines.Bytes()); err != nil {
		return err
	}
	return l.file.Sync()
}

func (l *letterFile) read() (letters []letter, err error) {
	b, err := os.ReadFile(l.file.Name())
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var one letter
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, err
		}
		letters = append(letters, one)
	}
	return letters, nil
}

func (l *letterFile) remove() {
	_ = l.file.Close()
	_ = os.Remove(l.file.Name()) // a temporary file
}
