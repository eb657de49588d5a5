// Package sqltest is one suite that sink.SQL passes on every database that it promises: SQLite,
// embedded, and the PostgreSQL that POSTGRES_URL names; `.ci/postgres run -- go test
// ./internal/sqltest/...` starts one. It is a module of its own, so that no database's driver is a
// dependency of the library.
//
// Here are transactions alone, their faults and rivals, and pipelines that crash and rebalance on
// the log in memory above them.
package sqltest
