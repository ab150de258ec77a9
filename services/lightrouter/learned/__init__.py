"""What the learned selector knows and how it reckons: priors, features, trees and the artifact that holds them."""
