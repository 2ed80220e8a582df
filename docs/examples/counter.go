// Saves a number in DIR/number, and acknowledges each on the file ACKS.
//
// usage: counter DIR ACKS [safe]
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func save(dir string, number int, safe bool) error {
	temporary := filepath.Join(dir, "number.new")
	file, err := os.Create(temporary)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err = fmt.Fprintln(file, number); err != nil {
		return err
	}
	if safe {
		if err = file.Sync(); err != nil {
			return err
		}
	}
	if err = os.Rename(temporary, filepath.Join(dir, "number")); err != nil || !safe {
		return err
	}
	directory, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}

func main() {
	acks, err := os.OpenFile(os.Args[2], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	for number := 1; number <= 2 && err == nil; number++ {
		if err = save(os.Args[1], number, len(os.Args) > 3); err == nil {
			_, err = fmt.Fprintf(acks, "ACK %d\n", number)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
