// Package cookbook has short recipes. Each is a function that docs/cookbook.md shows as it stands
// here, and that a test runs.
package cookbook

import "context"

// Order is the value of a record, as JSON.
type Order struct {
	ID, Customer, Kind string
	Cents              int64
}

// Receipt is what charging an order gives.
type Receipt struct{ Order string }

// Charge is the handler of most recipes.
type Charge func(context.Context, Order) (Receipt, error)

// Store writes many receipts at once.
type Store func(context.Context, []Receipt) error
