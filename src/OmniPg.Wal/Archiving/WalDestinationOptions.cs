using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>One destination of <see cref="WalArchiveOptions"/>. Exactly one of <see cref="Directory"/>, <see cref="Rsync"/>, <see cref="Pipe"/> and a sink is given.</summary>
public sealed class WalDestinationOptions : ICheckedOptions
{
    private const int MaxAttempts = 100;

    // A field, because the generated binder of configuration takes every property for one of its own, and cannot make a sink.
    internal readonly IObjectSink? Sink;

    /// <summary>A destination that one of the properties names.</summary>
    public WalDestinationOptions()
    {
    }

    /// <summary>A store or sink of one's own. It stays the caller's: the archiver does not dispose it.</summary>
    /// <param name="sink">With a sink that cannot be asked what it holds (no <see cref="IObjectStore"/>) the delivery state alone tells what was sent.</param>
    public WalDestinationOptions(IObjectSink sink)
    {
        ArgumentNullException.ThrowIfNull(sink);
        Sink = sink;
    }

    /// <summary>Name in results, logs and metrics.</summary>
    /// <value>Default: the place itself, such as <c>zstd:3=/mnt/archive</c>.</value>
    public string? Name { get; set; }

    /// <summary>A directory that exists, without codec prefix (<c>--dst-local</c>).</summary>
    public string? Directory { get; set; }

    /// <summary>What rsync takes as a target directory, such as <c>backup@host:/wal</c> (<c>--dst-remote</c>).</summary>
    public string? Rsync { get; set; }

    /// <summary>A program that gets the payload on standard input and the file name as its last argument (<c>--dst-pipe</c>).</summary>
    public string? Pipe { get; set; }

    /// <summary>Arguments of <see cref="Pipe"/> before the file name.</summary>
    /// <value>Default: none.</value>
    public IReadOnlyList<string> PipeArguments { get; set; } = [];

    /// <summary>Name of the codec (<see cref="Codec.Parse"/>).</summary>
    /// <value>Default <c>none</c>.</value>
    public string Codec { get; set; } = "none";

    /// <summary>Level of the codec.</summary>
    /// <value>Default <see langword="null"/>: the codec's own default.</value>
    public int? Level { get; set; }

    /// <summary>Arrangement of the files. <see cref="WalLayout.Sharded"/> needs a directory or a sink.</summary>
    /// <value>Default <see cref="WalLayout.Flat"/>.</value>
    public WalLayout Layout { get; set; }

    /// <summary>Whether a file counts as archived only when this destination holds it.</summary>
    /// <value>Default <see langword="true"/>. An optional destination's failure is a warning.</value>
    public bool IsRequired { get; set; } = true;

    /// <summary>Whether the destination is left out while its directory does not exist (<c>--dst-backup</c>). Only with <see cref="Directory"/>.</summary>
    /// <value>Default <see langword="false"/>: a missing directory is a failure.</value>
    public bool WhenExists { get; set; }

    /// <summary>Time for one file; the destination fails when it is over.</summary>
    /// <value>Default <see langword="null"/>: that of the archiver.</value>
    public TimeSpan? Timeout { get; set; }

    /// <summary>Tries in all within one call.</summary>
    /// <value>Default 1, range 1–100.</value>
    public int Attempts { get; set; } = 1;

    /// <summary>Pause before another try.</summary>
    /// <value>Default 1 s. Ignored when <see cref="Attempts"/> is 1.</value>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(1);

    internal string Place => Directory ?? Rsync ?? Pipe ?? Sink?.Id ?? "";

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var place = Place;
        check.That(
            new object?[] { Directory, Rsync, Pipe, Sink }.Count(static k => k is not null) == 1 && place.Length > 0,
            $"Destination '{Name ?? place}' must have exactly one of Directory, Rsync, Pipe and a sink.");
        check.That(!WhenExists || Directory is not null, $"Destination '{place}' can be left out while absent only when it is a directory.");
        check.That(Layout != WalLayout.Sharded || (Rsync ?? Pipe) is null, $"Destination '{place}' takes bare file names and cannot be sharded.");
        check.Defined<WalLayout>(Layout);
        check.That(Timeout is null || Timeout > TimeSpan.Zero, $"Timeout '{Timeout}' of destination '{place}' must be positive.");
        check.That(Attempts is >= 1 and <= MaxAttempts, $"Attempts '{Attempts}' of destination '{place}' must be between '1' and '{MaxAttempts}'.");
        check.That(RetryDelay >= TimeSpan.Zero, $"RetryDelay '{RetryDelay}' of destination '{place}' must not be negative.");
        try
        {
            OmniPg.Codec.Parse(Codec).CheckLevel(Level);
        }
        catch (ArgumentException unusable)
        {
            check.Fail($"Destination '{place}': {ArgumentText.Of(unusable)}");
        }
    }
}
