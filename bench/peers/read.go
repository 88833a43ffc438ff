package main

import (
	"errors"
	"io"
)

// readAll reads to the end into *buf, which it makes larger where it must.
func readAll(r io.Reader, buf *[]byte) ([]byte, error) {
	b := (*buf)[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			*buf = b
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return b, err
		}
	}
}
