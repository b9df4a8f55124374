namespace AiOs.Cli.Options;

/// <summary>Values of the options of <c>aios train</c> that were not given.</summary>
internal static class TrainDefaults
{
    public const string DType = "f32";
    public const string BFloat16 = "bf16";
    public const int Layers = 6;
    public const int Heads = 4;
    public const int Embd = 192;
    public const int Block = 128;
    public const int Batch = 16;
    public const int Accumulate = 1;
    public const long Steps = 900;
    public const double LearningRate = 1e-3;
    public const double WeightDecay = 0.1;
    public const double Beta1 = 0.9;
    public const double Beta2 = 0.95;
    public const double GradClip = 1;
    public const double Dropout = 0;
    public const long Seed = 1;
    public static string Backend => Runtime.Device.DefaultName;
    public const string Out = "out";
    public const string Shuffle = "shuffle";
    public const string Sequential = "sequential";
    public const string Cosine = "cosine";
    public const string Linear = "linear";
    public const string Constant = "constant";

    /// <summary>Warm-up of a shuffled run: a twentieth of the steps. A sequential run replays tokens as they are given
    /// and so starts with the plain schedule: constant, no warm-up.</summary>
    public static long Warmup(long steps, string order) => order == Sequential ? 0 : steps / 20;

    /// <summary>Schedule of the learning rate.</summary>
    public static string Schedule(string order) => order == Sequential ? Constant : Cosine;
}
