//! Values and gradients of Keras 3.15.1 on JAX in float64: `keras.losses.<function>` and `jax.grad` of it.

use super::*;

#[test]
fn values_and_gradients_are_keras_s() {
    let (y, class) = (Target::Dense(&Y[..]), Target::Class(2.0));
    let third = 1.0 / 3.0;
    type Case<'a> = (Loss, Target<'a, f64>, [f64; 3], f64, [f64; 3]);
    let soft = Target::Dense(&SOFT[..]);
    let cases: [Case; 31] = [
        (Loss::MeanSquaredError, y, P, 0.15, [0.4 * third, -third, 0.8 * third]),
        (Loss::MeanAbsoluteError, y, P, 1.1 * third, [third, -third, third]),
        (binary(false, 0.0), y, P, 0.47570547461509705, [0.416666679084301, -0.6666666865348816, 0.5555555721124014]),
        (binary(false, 0.1), y, P, 0.5055681467056274, [0.3125000093132257, -0.6000000178813936, 0.4861111255983511]),
        (binary(true, 0.0), y, Z, 1.1671433448791504, [0.27252483351975, -0.20748644991752, 0.18739217254665]),
        // With the bounds 10⁻⁷ and 1 − 2⁻²³, as Keras has them in float32.
        (binary(false, 0.0), y, [0.0, 0.0, 1.0], 10.686826967945687, [0.0; 3]),
        (
            categorical(false, 0.0),
            y,
            P,
            0.7884573603642702,
            [0.9090909090909091, -1.0909090909090908, 0.9090909090909091],
        ),
        (
            categorical(false, 0.1),
            y,
            P,
            0.8264385031372157,
            [0.7424242424242423, -0.9575757575757575, 0.8257575757575756],
        ),
        (
            categorical(true, 0.1),
            y,
            Z,
            2.2602851971361355,
            [0.6699806426884406, -0.8381501371841583, 0.1681694944957176],
        ),
        (categorical(false, 0.0), y, [1.0, 0.0, 1.0], 16.11809565095832, [0.0; 3]),
        (
            sparse(false, None),
            class,
            P,
            1.0116009116784799,
            [0.9090909090909091, 0.9090909090909091, -1.5909090909090908],
        ),
        (
            sparse(true, None),
            class,
            Z,
            1.6019518638028019,
            [0.7033139760217739, 0.095183196149175, -0.7984971721709491],
        ),
        (sparse(false, Some(2)), class, P, 0.0, [0.0; 3]),
        (
            Loss::MeanAbsolutePercentageError,
            soft,
            [0.25, 0.5, 0.4],
            117.85714285714286,
            [500.0 * third, -47.61904761904761, 1000.0 * third],
        ),
        (
            Loss::MeanSquaredLogarithmicError,
            soft,
            P,
            0.02460831704229765,
            [0.0, -0.05562806519295926, 0.11483907809717969],
        ),
        (Loss::LogCosh, y, Z, 0.5806034204923155, [0.30171609354012885, -0.30171609354012885, 0.08163955656761807]),
        (Loss::Huber { delta: 1.0 }, y, Z, 0.6770833333333333, [third, -third, 0.25 * third]),
        (Loss::Huber { delta: 0.4 }, y, Z, 0.3570833333333333, [0.4 * third, -0.4 * third, 0.25 * third]),
        (
            Loss::CosineSimilarity,
            soft,
            Z,
            0.021252557102111262,
            [-0.18246097804739436, -0.5909247584489477, -0.08708364861352913],
        ),
        (Loss::KlDivergence, soft, P, 0.09690112952285995, [-1.0, -1.4, -0.25]),
        (
            Loss::Poisson,
            soft,
            P,
            0.6662397980690002,
            [1.6666658830821746e-07, -0.13333324397365887, 0.2500000282839093],
        ),
        (
            binary_focal(false, 2.0, false, 0.0),
            y,
            P,
            0.08798154443502426,
            [0.04641914155862613, -0.3977157387061674, 0.22510906193525904],
        ),
        (
            binary_focal(true, 1.5, true, 0.1),
            soft,
            Z,
            0.2661435306072235,
            [0.09273864897355578, -0.028189207918251438, 0.069752334102655],
        ),
        (
            categorical_focal(Alpha::One(0.25), 2.0, false, 0.0),
            y,
            P,
            0.05864558878742505,
            [0.15647528478936173, -0.18777034174723412, 0.15647528478936173],
        ),
        (
            categorical_focal(Alpha::Each(vec![0.3, 0.5, 0.2]), 1.5, true, 0.1),
            soft,
            Z,
            0.7032193194082955,
            [0.28825241009561753, -0.34923677511950735, 0.0609843650238898],
        ),
        (Loss::Hinge, y, Z, 1.75, [third, -third, third]),
        (Loss::SquaredHinge, y, Z, 3.3541666666666665, [5.0 * third, -1.0, 2.5 * third]),
        (Loss::CategoricalHinge, y, Z, 3.0, [1.0, -1.0, 0.0]),
        (
            Loss::Dice { axis: Some(-1) },
            soft,
            P,
            0.5904762099773233,
            [0.004535137890077562, -0.4716553156246627, 0.09977322859302563],
        ),
        (
            Loss::Tversky { alpha: 0.3, beta: 0.9, axis: Some(-1) },
            soft,
            P,
            0.6428571725201684,
            [0.08898905542670232, -0.3559563251824712, 0.17797813154853703],
        ),
        (
            Loss::CategoricalGeneralizedCrossEntropy { q: 0.7 },
            class,
            P,
            0.6763530260947215,
            [0.0, 0.0, -1.3163822043342375],
        ),
    ];
    for (loss, target, p, value, gradient) in cases {
        let (got, slopes, _) = row(&loss, Head::Plain, target, &p);
        // Keras takes the mean with a single-precision 1/n even in float64, and JAX's softplus is good to 1e-7.
        close(&format!("{loss:?}"), got, value, 3e-7);
        for j in 0..3 {
            close(&format!("{loss:?} gradient {j}"), slopes[j], gradient[j], 3e-7);
        }
    }
}
