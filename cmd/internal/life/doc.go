// Package life makes clean lives and attacks.
package life
