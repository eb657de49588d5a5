// Package examples is a module of runnable workers, one per folder. Each is a whole program to
// read, run and copy. The module is separate, so that its dependencies (an in-process broker,
// drivers, exporters) never reach the module graph of the library's users.
package examples
