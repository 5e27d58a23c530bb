namespace OmniPg.Wal;

/// <summary>One destination of <see cref="WalArchiveOptions"/>. Exactly one of <see cref="Directory"/>, <see cref="Rsync"/>, <see cref="Pipe"/> and a store is set.</summary>
public sealed class WalDestinationOptions
{
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
    public IList<string> PipeArguments { get; } = [];

    /// <summary>Name of the codec (<see cref="Codec.Parse"/>).</summary>
    /// <value>Default <c>none</c>.</value>
    public string Codec { get; set; } = "none";

    /// <summary>Level of the codec.</summary>
    /// <value>Default <see langword="null"/>: the codec's own default.</value>
    public int? Level { get; set; }

    /// <summary>Arrangement of the files. <see cref="WalLayout.Sharded"/> needs a directory or a store.</summary>
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

    // A field, because the binder of configuration takes every property of this assembly for one of its own.
    internal IObjectSink? Sink;

    internal string Place => Directory ?? Rsync ?? Pipe ?? Sink?.Id ?? "";
}
