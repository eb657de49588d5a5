package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/segmentio/kafka-go"
)

// Order is the value of a record, as JSON. The key is the customer.
type Order struct {
	ID       int    `json:"id"`
	Customer string `json:"customer"`
	Number   int    `json:"number"` // the customer's first order, second, …
	Cents    int    `json:"cents"`
}

// Receipt is the result of charging an order.
type Receipt struct {
	Order int
	Cents int
}

const (
	partitions = 8
	customers  = 250
)

// makeOrders returns n orders of random customers as records, in the order they are placed.
func makeOrders(n int) ([]kafka.Message, error) {
	placed := map[int]int{}
	records := make([]kafka.Message, n)
	for i, c := range rand.Perm(n) {
		c %= customers
		placed[c]++
		o := Order{ID: i + 1, Customer: fmt.Sprintf("customer-%03d", c), Number: placed[c], Cents: 100 + rand.IntN(10_000)}
		value, err := json.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("encoding order %d: %w", o.ID, err)
		}
		records[i] = kafka.Message{Key: []byte(o.Customer), Value: value}
	}
	return records, nil
}
