// Package sqltest is a test suite for sink.SQL on every database that it supports: SQLite,
// embedded, and the PostgreSQL at POSTGRES_URL. `.ci/postgres run -- go test
// ./internal/sqltest/...` starts one. It is a separate module, so that no database driver is a
// dependency of the library.
//
// It tests single transactions with their faults and rivals, and pipelines that crash and rebalance
// on the in-memory log.
package sqltest
