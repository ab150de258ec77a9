"""The learned selector's model: priors, features, trees and the artifact that stores them."""
