//! Configurations, shapes and errors of every layer.

use super::*;

fn layer(class: &str, config: Value) -> Result<Layer> {
    Layer::parse(&json!({"class_name": class, "config": config}).to_string())
}

#[test]
fn every_kind_round_trips_through_its_configuration() {
    let configs = [
        ("InputLayer", json!({"batch_shape": [null, 3]})),
        ("Dense", json!({"units": 3, "activation": "relu"})),
        ("Activation", json!({"activation": "tanh"})),
        ("ReLU", json!({"max_value": 6.0})),
        ("LeakyReLU", json!({"negative_slope": 0.1})),
        ("ELU", json!({"alpha": 0.5})),
        ("Softmax", json!({})),
        ("PReLU", json!({"shared_axes": 1, "alpha_constraint": "NonNeg"})),
        ("Identity", json!({})),
        ("Dropout", json!({"rate": 0.5})),
        ("GaussianNoise", json!({"stddev": 0.5, "seed": 3})),
        ("GaussianDropout", json!({"rate": 0.5})),
        ("AlphaDropout", json!({"rate": 0.5})),
        ("ActivityRegularization", json!({"l1": 0.1})),
        ("Flatten", json!({})),
        ("Reshape", json!({"target_shape": [-1, 2]})),
        ("Permute", json!({"dims": [2, 1]})),
        ("RepeatVector", json!({"n": 3})),
        ("Rescaling", json!({"scale": [1, 2.5], "offset": 3})),
        ("Normalization", json!({"axis": null, "mean": 1.5, "variance": 2})),
        ("Discretization", json!({"bin_boundaries": [-1.0, 0.5], "output_mode": "count"})),
        ("CategoryEncoding", json!({"num_tokens": 4, "output_mode": "one_hot"})),
        ("BatchNormalization", json!({"axis": 1, "scale": false, "beta_regularizer": "l2"})),
        ("LayerNormalization", json!({"axis": [1, 2], "epsilon": 1e-5})),
        ("RMSNormalization", json!({"axis": -1})),
        ("UnitNormalization", json!({"axis": [1, -1]})),
        ("Embedding", json!({"input_dim": 5, "output_dim": 3})),
        ("Add", json!({})),
        ("Subtract", json!({})),
        ("Multiply", json!({})),
        ("Average", json!({})),
        ("Maximum", json!({})),
        ("Minimum", json!({})),
        ("Concatenate", json!({"axis": 1})),
        ("Dot", json!({"axes": [1, 2], "normalize": true})),
    ];
    assert_eq!(configs.iter().map(|c| c.0).collect::<Vec<_>>(), Layer::names());
    for (class, config) in configs {
        let first = layer(class, config).unwrap().config();
        assert_eq!(Layer::parse(&first.to_string()).unwrap().config(), first);
    }
}

#[test]
fn mistakes_name_the_layer_and_what_was_expected() {
    let text = |class, config| layer(class, config).map(|_| ()).unwrap_err().to_string();
    assert!(text("Dense", json!({"name": "d", "units": 0})).starts_with("Dense 'd': units: expected a positive"));
    assert!(text("Dropout", json!({"name": "d", "rate": 1.5})).contains("Dropout 'd': rate"));
    assert!(text("Dens", json!({"units": 3})).contains("did you mean 'Dense'"));
    assert!(text("Dense", json!({"unit": 3})).contains("unit"));
}

#[test]
fn a_built_layer_refuses_another_width() {
    let dense = layer("Dense", json!({"units": 3})).unwrap();
    dense.build(&[vec![Some(4)]], 1, "0").unwrap();
    assert_eq!(dense.variables()[0].shape(), [4, 3]);
    dense.build(&[vec![Some(2), Some(4)]], 9, "5").unwrap();
    assert!(dense.build(&[vec![Some(5)]], 1, "0").is_err());
}

/// Output shapes, as Keras 3.15.1's `compute_output_shape` or its calls give them.
#[test]
fn shapes_are_keras_s() {
    type Case = (&'static str, Value, Vec<Vec<usize>>, Vec<usize>);
    let cases: Vec<Case> = vec![
        ("Reshape", json!({"target_shape": [-1, 2]}), vec![vec![3, 4]], vec![6, 2]),
        ("Reshape", json!({"target_shape": []}), vec![vec![1]], vec![]),
        ("Permute", json!({"dims": [3, 1, 2]}), vec![vec![2, 3, 4]], vec![4, 2, 3]),
        ("RepeatVector", json!({"n": 3}), vec![vec![5]], vec![3, 5]),
        ("Embedding", json!({"input_dim": 5, "output_dim": 3}), vec![vec![2, 4]], vec![2, 4, 3]),
        ("Embedding", json!({"input_dim": 5, "output_dim": 3}), vec![vec![]], vec![3]),
        ("CategoryEncoding", json!({"num_tokens": 4}), vec![vec![3]], vec![4]),
        ("CategoryEncoding", json!({"num_tokens": 4, "output_mode": "one_hot"}), vec![vec![3]], vec![3, 4]),
        ("CategoryEncoding", json!({"num_tokens": 4, "output_mode": "one_hot"}), vec![vec![3, 1]], vec![3, 4]),
        ("CategoryEncoding", json!({"num_tokens": 4, "output_mode": "one_hot"}), vec![vec![]], vec![4]),
        ("Discretization", json!({"bin_boundaries": [0.0], "output_mode": "count"}), vec![vec![3, 5]], vec![5, 2]),
        ("Discretization", json!({"bin_boundaries": [0.0]}), vec![vec![3, 5]], vec![3, 5]),
        ("Add", json!({}), vec![vec![3, 1], vec![4]], vec![3, 4]),
        ("Concatenate", json!({}), vec![vec![3, 1], vec![3, 4]], vec![3, 5]),
        ("Concatenate", json!({"axis": 1}), vec![vec![3, 2], vec![1, 2], vec![2, 2]], vec![6, 2]),
        ("Dot", json!({"axes": 1}), vec![vec![5], vec![5]], vec![1]),
        ("Dot", json!({"axes": [2, 1]}), vec![vec![3, 5], vec![5, 4]], vec![3, 4]),
        ("Dot", json!({"axes": -1}), vec![vec![5], vec![2, 3, 5]], vec![2, 3]),
    ];
    for (class, config, inputs, expected) in cases {
        let open = |shape: &Vec<usize>| shape.iter().map(|&d| Some(d)).collect::<Shape>();
        let inputs: Vec<Shape> = inputs.iter().map(open).collect();
        let shape = layer(class, config.clone()).unwrap().output_shape(&inputs);
        assert_eq!(shape, Ok(open(&expected)), "{class} {config}");
    }
}

#[test]
fn variables_are_keras_s() {
    let shapes = |class, config, input: &[usize]| {
        let layer = layer(class, config).unwrap();
        layer.build(&[input.iter().map(|&d| Some(d)).collect()], 1, "0").unwrap();
        let one = |v: &Arc<Variable>| (v.name().to_string(), v.shape().to_vec(), v.trainable());
        layer.variables().iter().map(one).collect::<Vec<_>>()
    };
    let one = |name: &str, shape: &[usize], trainable| (name.to_string(), shape.to_vec(), trainable);
    let moving = |n: usize| [one("moving_mean", &[n], false), one("moving_variance", &[n], false)];
    let batch = shapes("BatchNormalization", json!({}), &[2, 3]);
    assert_eq!(batch, [&[one("gamma", &[3], true), one("beta", &[3], true)][..], &moving(3)].concat());
    let batch = shapes("BatchNormalization", json!({"axis": 1, "scale": false}), &[2, 3]);
    assert_eq!(batch, [&[one("beta", &[2], true)][..], &moving(2)].concat());
    let layer_norm = shapes("LayerNormalization", json!({"axis": [2, 1]}), &[2, 3]);
    assert_eq!(layer_norm, [one("gamma", &[2, 3], true), one("beta", &[2, 3], true)]);
    assert_eq!(shapes("RMSNormalization", json!({}), &[2, 3]), [one("scale", &[3], true)]);
    assert_eq!(shapes("PReLU", json!({"shared_axes": [1]}), &[2, 3]), [one("alpha", &[1, 3], true)]);
    assert_eq!(shapes("Embedding", json!({"input_dim": 7, "output_dim": 2}), &[5]), [one("embeddings", &[7, 2], true)]);
    let kept = |shape: &[usize]| [one("mean", shape, false), one("variance", shape, false), one("count", &[], false)];
    assert_eq!(shapes("Normalization", json!({}), &[2, 3]), kept(&[3]));
    assert_eq!(shapes("Normalization", json!({"axis": null}), &[2, 3]), kept(&[]));
    assert_eq!(shapes("Normalization", json!({"mean": 1, "variance": 2}), &[3]), []);
}

#[test]
fn refusals_have_keras_s_types() {
    let invalid = [
        ("GaussianNoise", json!({"stddev": 1.5})),
        ("GaussianDropout", json!({"rate": -0.5})),
        ("AlphaDropout", json!({"rate": 2})),
        ("ActivityRegularization", json!({"l1": -1})),
        ("Reshape", json!({"target_shape": [-1, -1]})),
        ("Reshape", json!({"target_shape": [-2]})),
        ("Permute", json!({"dims": [1, 3]})),
        ("RepeatVector", json!({"n": 0})),
        ("Rescaling", json!({"scale": "x"})),
        ("Normalization", json!({"mean": 1})),
        ("Normalization", json!({"mean": [[1]], "variance": [[1]]})),
        ("Discretization", json!({})),
        ("Discretization", json!({"bin_boundaries": [1, 0]})),
        ("Discretization", json!({"bin_boundaries": [1], "output_mode": "x"})),
        ("CategoryEncoding", json!({})),
        ("CategoryEncoding", json!({"num_tokens": 0})),
        ("BatchNormalization", json!({"renorm": true})),
        ("Embedding", json!({"input_dim": 0, "output_dim": 2})),
        ("Embedding", json!({"input_dim": 2.5, "output_dim": 2})),
        ("Embedding", json!({"input_dim": 2, "output_dim": 2, "mask_zero": true})),
        ("Dot", json!({"axes": [1, 2, 3]})),
        ("Softmax", json!({"axis": 1})),
    ];
    for (class, config) in invalid {
        let refused = layer(class, config.clone()).map(|_| ());
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{class} {config}: {refused:?}");
    }
    for (class, config) in [
        ("RepeatVector", json!({"n": 1.5})),
        ("LayerNormalization", json!({"axis": "x"})),
        ("UnitNormalization", json!({"axis": null})),
        ("Dot", json!({"axes": "x"})),
    ] {
        let refused = layer(class, config.clone()).map(|_| ());
        assert!(matches!(refused, Err(Error::Type { .. })), "{class} {config}: {refused:?}");
    }
    let shapes = [
        ("BatchNormalization", json!({"axis": 3}), vec![vec![4]]),
        ("BatchNormalization", json!({"axis": 0}), vec![vec![4]]),
        ("PReLU", json!({"shared_axes": [2]}), vec![vec![4]]),
        ("Permute", json!({"dims": [1]}), vec![vec![4, 2]]),
        ("Reshape", json!({"target_shape": [3, -1]}), vec![vec![4]]),
        ("Rescaling", json!({"scale": [1, 2]}), vec![vec![3]]),
        ("CategoryEncoding", json!({"num_tokens": 3}), vec![vec![]]),
        ("Add", json!({}), vec![vec![3], vec![4]]),
        ("Subtract", json!({}), vec![vec![3]]),
        ("Concatenate", json!({}), vec![vec![3, 2], vec![4, 2]]),
        ("Dot", json!({"axes": 1}), vec![vec![3], vec![4]]),
        ("Dense", json!({"units": 2}), vec![vec![3], vec![3]]),
    ];
    for (class, config, inputs) in shapes {
        let inputs: Vec<Shape> = inputs.iter().map(|s: &Vec<usize>| s.iter().map(|&d| Some(d)).collect()).collect();
        let refused = layer(class, config.clone()).unwrap().output_shape(&inputs);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{class} {config}: {refused:?}");
    }
}

#[test]
fn a_built_layer_serves_what_its_variables_fit() {
    let built = |class, config, input: &[usize]| {
        let layer = layer(class, config).unwrap();
        layer.build(&[input.iter().map(|&d| Some(d)).collect()], 1, "0").unwrap();
        layer
    };
    let serves =
        |layer: &Layer, input: &[usize]| layer.build(&[input.iter().map(|&d| Some(d)).collect()], 1, "0").is_ok();
    let batch = built("BatchNormalization", json!({"axis": 1}), &[4, 2]);
    assert!(serves(&batch, &[4, 9]) && !serves(&batch, &[5, 2]) && !serves(&batch, &[4]));
    let prelu = built("PReLU", json!({"shared_axes": [1]}), &[4, 2]);
    assert!(serves(&prelu, &[7, 2]) && !serves(&prelu, &[4, 3]));
    let table = built("Embedding", json!({"input_dim": 3, "output_dim": 2}), &[4]);
    assert!(serves(&table, &[9, 9]));
}
