namespace OmniPg.Wal;

/// <summary>Describes one destination of a <see cref="WalArchiverBuilder"/>. Say where once, then how.</summary>
public sealed class DestinationBuilder
{
    internal WalDestinationOptions Options { get; } = new();

    /// <summary>Stores into a directory that exists.</summary>
    /// <param name="path">The directory, or a location with codec such as <c>zstd:3=/mnt/archive</c> (<see cref="WalLocation.Parse"/>).</param>
    /// <returns>This builder.</returns>
    /// <exception cref="FormatException">The location cannot be read.</exception>
    public DestinationBuilder Directory(string path)
    {
        var location = WalLocation.Parse(path);
        Options.Directory = location.Path;
        return location.Codec == Codec.None ? this : Compress(location.Codec, location.Level);
    }

    /// <summary>Sends with rsync.</summary>
    /// <param name="target">A directory as rsync takes it, optionally with codec, such as <c>gzip=backup@host:/wal</c>.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="FormatException">The location cannot be read.</exception>
    public DestinationBuilder Rsync(string target)
    {
        var location = WalLocation.Parse(target);
        Options.Rsync = location.Path;
        return location.Codec == Codec.None ? this : Compress(location.Codec, location.Level);
    }

    /// <summary>Feeds a program: payload on standard input, file name as the last argument, exit code 0 means stored.</summary>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments before the file name. There is no shell.</param>
    /// <returns>This builder.</returns>
    public DestinationBuilder Pipe(string program, params string[] arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        Options.Pipe = program;
        foreach (var argument in arguments)
            Options.PipeArguments.Add(argument);
        return this;
    }

    /// <summary>Stores into a store or sink of one's own. It stays the caller's: the archiver does not dispose it.</summary>
    /// <param name="store">An <see cref="IObjectStore"/>; with a sink that cannot be asked, the delivery state alone tells what was sent.</param>
    /// <returns>This builder.</returns>
    public DestinationBuilder Store(IObjectSink store)
    {
        Options.Sink = store;
        return this;
    }

    /// <summary>Compresses. Destinations with the same codec and level share one pass of it.</summary>
    /// <param name="codec">The codec.</param>
    /// <param name="level">Its level; <see langword="null"/> for its default.</param>
    /// <returns>This builder.</returns>
    public DestinationBuilder Compress(Codec codec, int? level = null)
    {
        ArgumentNullException.ThrowIfNull(codec);
        (Options.Codec, Options.Level) = (codec.Name, level);
        return this;
    }

    /// <summary>A file counts as archived only when this destination holds it. The default.</summary>
    /// <returns>This builder.</returns>
    public DestinationBuilder Required()
    {
        Options.IsRequired = true;
        return this;
    }

    /// <summary>A failure here is a warning.</summary>
    /// <returns>This builder.</returns>
    public DestinationBuilder Optional()
    {
        Options.IsRequired = false;
        return this;
    }

    /// <summary>The destination is left out while its directory does not exist, and is never marked with a cluster.</summary>
    /// <returns>This builder.</returns>
    public DestinationBuilder WhenExists()
    {
        Options.WhenExists = true;
        return this;
    }

    /// <summary>Gives the destination a name for results, logs and metrics.</summary>
    /// <param name="id">The name.</param>
    /// <returns>This builder.</returns>
    public DestinationBuilder Named(string id)
    {
        Options.Name = id;
        return this;
    }

    /// <summary>Arranges the files; the default is flat.</summary>
    /// <param name="layout">The arrangement.</param>
    /// <returns>This builder.</returns>
    public DestinationBuilder Layout(WalLayout layout)
    {
        Options.Layout = layout;
        return this;
    }

    /// <summary>Tries again within the same call.</summary>
    /// <param name="retry">How often and how far apart.</param>
    /// <returns>This builder.</returns>
    public DestinationBuilder Retry(WalRetry retry)
    {
        (Options.Attempts, Options.RetryDelay) = (retry.Attempts, retry.Delay);
        return this;
    }

    /// <summary>Limits the time for one file at this destination; the default is the archiver's.</summary>
    /// <param name="limit">More than zero.</param>
    /// <returns>This builder.</returns>
    public DestinationBuilder Timeout(TimeSpan limit)
    {
        Options.Timeout = limit;
        return this;
    }
}
