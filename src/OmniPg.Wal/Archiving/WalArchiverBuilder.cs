using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Sets up a <see cref="WalArchiver"/> step by step. Single use.</summary>
public sealed class WalArchiverBuilder
{
    private readonly WalArchiveOptions _options;
    private ILoggerFactory? _loggerFactory;
    private TimeProvider? _timeProvider;
    private IProgress<WalProgress>? _progress;

    internal WalArchiverBuilder(string dataDirectory) => _options = new WalArchiveOptions { DataDirectory = dataDirectory };

    /// <summary>Adds a destination.</summary>
    /// <param name="configure">Says where and how.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder To(Action<DestinationBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var destination = new DestinationBuilder();
        configure(destination);
        _options.Destinations.Add(destination.Options);
        return this;
    }

    /// <summary>Keeps delivery states in a directory; needed with two or more required destinations.</summary>
    /// <param name="directory">A writable directory that exists.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder WithState(string directory)
    {
        _options.StateDirectory = directory;
        return this;
    }

    /// <summary>Says how thoroughly files are checked; the default is <see cref="WalValidation.Full"/>.</summary>
    /// <param name="level">The level.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder Validate(WalValidation level)
    {
        _options.Validation = level;
        return this;
    }

    /// <summary>Says how archives are tied to the cluster; the default is <see cref="ArchiveBinding.Cluster"/>.</summary>
    /// <param name="binding">The way.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder BindTo(ArchiveBinding binding)
    {
        _options.Binding = binding;
        return this;
    }

    /// <summary>Limits the time for one file at one destination; the default is five minutes.</summary>
    /// <param name="limit">More than zero.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder Timeout(TimeSpan limit)
    {
        _options.Timeout = limit;
        return this;
    }

    /// <summary>Says how long an optional destination may hold up the others; the default is ten seconds.</summary>
    /// <param name="grace">More than zero.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder OptionalGrace(TimeSpan grace)
    {
        _options.OptionalGrace = grace;
        return this;
    }

    /// <summary>Limits how many destinations are written at the same time; the default is all, fed by one read.</summary>
    /// <param name="destinations">At least 1.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder MaxParallelism(int destinations)
    {
        _options.MaxParallelism = destinations;
        return this;
    }

    /// <summary>Gathers what rsync is to send in another directory than the system's for temporary files.</summary>
    /// <param name="directory">A writable directory that exists.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder WithTemporaryDirectory(string directory)
    {
        _options.TemporaryDirectory = directory;
        return this;
    }

    /// <summary>Sends to rsync destinations with another program than the <c>rsync</c> in <c>PATH</c>.</summary>
    /// <param name="program">A name in <c>PATH</c>, or a path.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder WithRsyncProgram(string program)
    {
        _options.RsyncProgram = program;
        return this;
    }

    /// <summary>Accepts a data directory without <c>PG_VERSION</c>.</summary>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder WithoutDataDirectoryCheck()
    {
        _options.RequireDataDirectory = false;
        return this;
    }

    /// <summary>Refuses the WAL of a server that is newer than this package, instead of archiving it with its header checked (<see cref="WalArchiveOptions.AllowUnknownVersion"/>).</summary>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder RefuseUnknownVersion()
    {
        _options.AllowUnknownVersion = false;
        return this;
    }

    /// <summary>Takes the time from another clock than the system's.</summary>
    /// <param name="timeProvider">The clock.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder UseTime(TimeProvider timeProvider)
    {
        _timeProvider = timeProvider;
        return this;
    }

    /// <summary>Writes logs; without it there are none.</summary>
    /// <param name="loggerFactory">Makes the logger; stays the caller's.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder UseLogger(ILoggerFactory loggerFactory)
    {
        _loggerFactory = loggerFactory;
        return this;
    }

    /// <summary>Reports how far each file has come, buffer by buffer.</summary>
    /// <param name="progress">Is called on pool threads.</param>
    /// <returns>This builder.</returns>
    public WalArchiverBuilder OnProgress(IProgress<WalProgress> progress)
    {
        _progress = progress;
        return this;
    }

    /// <summary>Checks everything and makes the archiver.</summary>
    /// <returns>The archiver; dispose it.</returns>
    /// <exception cref="WalConfigurationException">Something cannot work; all of it is named.</exception>
    /// <exception cref="CodecUnavailableException">A codec's library or program is missing.</exception>
    public WalArchiver Build() => new(_options, _loggerFactory, _timeProvider, _progress);
}
