// Oracle reads a log of ours as a stranger would, with nothing but the Go project's own packages for transparency
// logs, and says as JSON whether it holds together. Usage: oracle FOLDER ORIGIN VKEY < CLAIMS
//
// FOLDER is a tlog-tiles log (C2SP). CLAIMS is JSON: an earlier checkpoint, and proofs as the log's owner made them.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// Claims are what the log's owner says beside the files.
type Claims struct {
	Earlier     string    `json:"earlier"`     // an older checkpoint, a signed note
	Consistency []string  `json:"consistency"` // the proof from it to the present one, base64
	Inclusion   []Claimed `json:"inclusion"`
}

// Claimed is one inclusion proof.
type Claimed struct {
	Index int64    `json:"index"`
	Path  []string `json:"path"`
}

// Verdict is what is printed.
type Verdict struct {
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
	Size   int64  `json:"size"`
	Leaves int64  `json:"leaves"` // entries whose hash stands in the tree and has a proof
	Claims int    `json:"claims"` // inclusion proofs of the owner's that hold
}

// files reads the tiles of a C2SP log, whose paths lack the height that sumdb's have.
type files struct{ folder string }

func (f files) Height() int { return tileHeight }

func (f files) SaveTiles([]tlog.Tile, [][]byte) {}

func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if data[i], err = f.read(tile); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// read gives a tile; where only a fuller one is there, as much of it as was asked for.
func (f files) read(tile tlog.Tile) ([]byte, error) {
	data, err := os.ReadFile(f.path(tile))
	if err == nil || tile.W == 1<<tileHeight || !errors.Is(err, os.ErrNotExist) {
		return data, err
	}
	full := tile
	full.W = 1 << tileHeight
	data, err = os.ReadFile(f.path(full))
	if err == nil && len(data) >= tile.W*tlog.HashSize && tile.L >= 0 {
		data = data[:tile.W*tlog.HashSize]
	}
	return data, err
}

func (f files) path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	path = strings.Replace(path, "data/", "entries/", 1)
	return filepath.Join(f.folder, "tile", filepath.FromSlash(path))
}

// entries are the leaves of a bundle: each with its length in two bytes before it.
func (f files) entries(tile tlog.Tile) ([][]byte, error) {
	data, err := f.read(tile)
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("an entry bundle is cut short")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		found, data = append(found, data[2:end]), data[end:]
	}
	if len(found) < tile.W {
		return nil, fmt.Errorf("an entry bundle holds %d entries of %d", len(found), tile.W)
	}
	return found[:tile.W], nil
}

func open(text, origin string, key note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("a checkpoint of %q", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("a checkpoint of size %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func hashes(texts []string) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(data) != tlog.HashSize {
			return nil, fmt.Errorf("%q is not a hash", text)
		}
		copy(found[i][:], data)
	}
	return found, nil
}

// leaves checks every entry against the tree, and makes and checks a proof of it.
func leaves(log files, tree tlog.Tree) (int64, error) {
	reader := tlog.TileHashReader(tree, log)
	for start := int64(0); start < tree.N; start += 1 << tileHeight {
		width := tree.N - start
		if width > 1<<tileHeight {
			width = 1 << tileHeight
		}
		bundle, err := log.entries(tlog.Tile{H: tileHeight, L: -1, N: start >> tileHeight, W: int(width)})
		if err != nil {
			return start, err
		}
		for i, entry := range bundle {
			index := start + int64(i)
			proof, err := tlog.ProveRecord(tree.N, index, reader)
			if err != nil {
				return index, err
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
				return index, fmt.Errorf("entry %d: %w", index, err)
			}
		}
	}
	return tree.N, nil
}

// claimed checks what the owner claims, with leaf hashes taken from the checked tiles.
func claimed(log files, tree tlog.Tree, origin string, key note.Verifier, claims Claims) (int, error) {
	if claims.Earlier != "" {
		before, err := open(claims.Earlier, origin, key)
		if err != nil {
			return 0, fmt.Errorf("the earlier checkpoint: %w", err)
		}
		proof, err := hashes(claims.Consistency)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckTree(tlog.TreeProof(proof), tree.N, tree.Hash, before.N, before.Hash); err != nil {
			return 0, fmt.Errorf("the earlier tree: %w", err)
		}
	}
	for i, one := range claims.Inclusion {
		if one.Index < 0 || one.Index >= tree.N {
			return i, fmt.Errorf("a proof of entry %d of %d", one.Index, tree.N)
		}
		found, err := tlog.TileHashReader(tree, log).ReadHashes([]int64{tlog.StoredHashIndex(0, one.Index)})
		if err != nil {
			return i, err
		}
		path, err := hashes(one.Path)
		if err != nil {
			return i, err
		}
		if err := tlog.CheckRecord(tlog.RecordProof(path), tree.N, tree.Hash, one.Index, found[0]); err != nil {
			return i, fmt.Errorf("the proof of entry %d: %w", one.Index, err)
		}
	}
	return len(claims.Inclusion), nil
}

func judge(folder, origin, vkey string) (verdict Verdict, err error) {
	var claims Claims
	if err = json.NewDecoder(os.Stdin).Decode(&claims); err != nil {
		return verdict, err
	}
	key, err := note.NewVerifier(vkey)
	if err != nil {
		return verdict, err
	}
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return verdict, err
	}
	tree, err := open(string(text), origin, key)
	if err != nil {
		return verdict, err
	}
	log := files{folder}
	verdict.Size = tree.N
	if verdict.Leaves, err = leaves(log, tree); err != nil {
		return verdict, err
	}
	verdict.Claims, err = claimed(log, tree, origin, key, claims)
	return verdict, err
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: oracle FOLDER ORIGIN VKEY < CLAIMS")
		os.Exit(2)
	}
	verdict, err := judge(os.Args[1], os.Args[2], os.Args[3])
	verdict.OK = err == nil
	if err != nil {
		verdict.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdict); err != nil {
		os.Exit(2)
	}
	if !verdict.OK {
		os.Exit(1)
	}
}
