// Package laneway is empty: Laneway lives in the packages below.
//
//	stream/            the language: Stream[T], its words, Pipeline, policies, custom operators and sources
//	stream/streamtest  tests of your chains, without a broker and in virtual time
//	source/            where a chain begins: Kafka, or values of this process
//	sink/              where elements go
//	ops/               operators, codecs and middleware composed from stream's public surface alone
//
// README.md begins with a worker, docs has the pages, ARCHITECTURE.md says how it is built.
package laneway
