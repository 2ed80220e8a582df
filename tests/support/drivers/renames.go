// A Raft store in Go, and its driver for `wavetank check --command './renames {dir}'`.
//
// Term and vote, and the snapshot, are files that a rename replaces; the log is a file that grows,
// and that a rename replaces too when entries are removed. What a bug looks like is shown by a
// second argument: `forget-directory` leaves out the sync that makes a rename durable.
package main

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

type entry struct{ index, term, command string }

type store struct {
	directory string
	forgets   bool
	first     uint64 // index of entries[0]
	entries   []entry
	log       *os.File
}

// An error begins with its word in the protocol.
func refused(text string) error { return fmt.Errorf("refused %s", text) }

// sum puts a checksum before a line.
func sum(line string) string {
	return fmt.Sprintf("%08x %s\n", crc32.ChecksumIEEE([]byte(line)), line)
}

// whole returns the lines whose checksum is right, up to the first that is not.
func whole(content string) (lines []string) {
	for _, line := range strings.SplitAfter(content, "\n") {
		if len(line) < 10 || sum(line[9:len(line)-1]) != line {
			break
		}
		lines = append(lines, line[9:len(line)-1])
	}
	return lines
}

// replace puts a new file in the place of an old one, durably.
func (s *store) replace(name, content string) error {
	path := filepath.Join(s.directory, name)
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err = file.WriteString(content); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = os.Rename(path+".new", path); err != nil || s.forgets {
		return err
	}
	directory, err := os.Open(s.directory)
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}

func (s *store) read(name string) []string {
	content, _ := os.ReadFile(filepath.Join(s.directory, name))
	return whole(string(content))
}

func (s *store) line(name, otherwise string) string {
	if lines := s.read(name); len(lines) == 1 {
		return lines[0]
	}
	return otherwise
}

func (s *store) last() uint64 { return s.first + uint64(len(s.entries)) - 1 }

// open reads the log and writes it anew, so that what is shown is durable and no torn end stays.
func (s *store) open() error {
	s.first = 1
	if lines := s.read("log"); len(lines) > 0 {
		s.first, _ = strconv.ParseUint(lines[0], 10, 64)
		for _, line := range lines[1:] {
			words := strings.Fields(line)
			s.entries = append(s.entries, entry{words[0], words[1], words[2]})
		}
	}
	for _, name := range []string{"state", "snapshot"} {
		if lines := s.read(name); len(lines) == 1 {
			if err := s.replace(name, sum(lines[0])); err != nil {
				return err
			}
		}
	}
	return s.rewrite()
}

// rewrite replaces the log by one of the entries that are left.
func (s *store) rewrite() error {
	content := sum(strconv.FormatUint(s.first, 10))
	for _, each := range s.entries {
		content += sum(each.index + " " + each.term + " " + each.command)
	}
	if s.log != nil {
		s.log.Close()
	}
	err := s.replace("log", content)
	if err == nil {
		s.log, err = os.OpenFile(filepath.Join(s.directory, "log"), os.O_WRONLY|os.O_APPEND, 0)
	}
	return err
}

func (s *store) append(words []string) error {
	content, added := "", []entry{}
	for ; len(words) >= 3; words = words[3:] {
		index, _ := strconv.ParseUint(words[0], 10, 64)
		if index != s.last()+uint64(len(added))+1 {
			return refused("entries must follow the last one")
		}
		added = append(added, entry{words[0], words[1], words[2]})
		content += sum(strings.Join(words[:3], " "))
	}
	if _, err := s.log.WriteString(content); err != nil {
		return err
	}
	s.entries = append(s.entries, added...)
	return s.log.Sync()
}

func (s *store) truncate(verb string, index uint64) error {
	if verb == "truncate-suffix" && s.first <= index && index <= s.last() {
		s.entries = s.entries[:index-s.first]
		return s.rewrite()
	}
	if verb == "truncate-prefix" && s.first < index && index <= s.last()+1 {
		s.entries = s.entries[index-s.first:]
		s.first = index
		return s.rewrite()
	}
	return nil
}

func (s *store) answer(verb string, words []string) (answer string, err error) {
	number := func(place int) uint64 {
		value, _ := strconv.ParseUint(words[place], 10, 64)
		return value
	}
	switch verb {
	case "bounds":
		answer = fmt.Sprintf(" %d %d", s.first, s.last())
	case "read":
		for _, each := range s.entries {
			index, _ := strconv.ParseUint(each.index, 10, 64)
			if number(0) <= index && index < number(1) {
				answer += " " + each.index + " " + each.term + " " + each.command
			}
		}
	case "append":
		err = s.append(words)
	case "truncate-suffix", "truncate-prefix":
		err = s.truncate(verb, number(0))
	case "save-state":
		err = s.replace("state", sum(strings.Join(words, " ")))
	case "load-state":
		answer = " " + s.line("state", "0 -")
	case "save-snapshot":
		err = s.replace("snapshot", sum(strings.Join(words, " ")))
	case "load-snapshot":
		if line := s.line("snapshot", ""); line != "" {
			answer = " " + line
		} else {
			err = fmt.Errorf("not-found no snapshot yet")
		}
	case "close":
		err = s.log.Close()
	}
	return answer, err
}

func tell(answer string, err error) {
	if err == nil {
		fmt.Println("ok" + answer)
	} else if _, isOurs := err.(*os.PathError); isOurs {
		fmt.Println("error io", err)
	} else {
		fmt.Println("error", err)
	}
}

func main() {
	s := store{directory: os.Args[1], forgets: len(os.Args) > 2}
	if err := s.open(); err != nil {
		fmt.Println("error io", err)
		os.Exit(1)
	}
	fmt.Println("ready 1 votes truncate-suffix truncate-prefix snapshots durable-appends refuses-gaps")
	requests := bufio.NewReader(os.Stdin)
	for {
		request, err := requests.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(request)
		tell(s.answer(words[0], words[1:]))
		if words[0] == "close" {
			return
		}
	}
}
