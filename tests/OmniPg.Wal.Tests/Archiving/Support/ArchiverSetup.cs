using Microsoft.Extensions.Logging;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>Options of an archiver in one line of a test.</summary>
internal sealed class ArchiverSetup(string dataDirectory, int mostAtOnce = WalCopier.MostAtOnce)
{
    private readonly WalArchiveOptions _options = new() { DataDirectory = dataDirectory };
    private ILoggerFactory? _logs;
    private TimeProvider? _time;

    public ArchiverSetup To(Action<Destination> describe)
    {
        var destination = new Destination();
        describe(destination);
        _options.Destinations = [.. _options.Destinations, destination.Options];
        return this;
    }

    public ArchiverSetup With(Action<WalArchiveOptions> set)
    {
        set(_options);
        return this;
    }

    public ArchiverSetup WithState(string directory) => With(o => o.StateDirectory = directory);

    public ArchiverSetup Validate(WalValidation level) => With(o => o.Validation = level);

    public ArchiverSetup BindTo(ArchiveBinding binding) => With(o => o.Binding = binding);

    public ArchiverSetup Timeout(TimeSpan limit) => With(o => o.Timeout = limit);

    public ArchiverSetup UseLogger(ILoggerFactory logs)
    {
        _logs = logs;
        return this;
    }

    public ArchiverSetup UseTime(TimeProvider time)
    {
        _time = time;
        return this;
    }

    public WalArchiver Build() => new(_options, _logs, _time) { Copier = new WalCopier(_time ?? TimeProvider.System, mostAtOnce) };

    /// <summary>Options of one destination.</summary>
    internal sealed class Destination
    {
        public WalDestinationOptions Options { get; private set; } = new();

        public Destination Directory(string text) => At(text, (o, path) => o.Directory = path);

        public Destination Rsync(string text) => At(text, (o, path) => o.Rsync = path);

        public Destination Pipe(string program, params string[] arguments) => With(o => (o.Pipe, o.PipeArguments) = (program, arguments));

        public Destination Store(IObjectSink sink)
        {
            Options = new WalDestinationOptions(sink);
            return this;
        }

        public Destination Compress(Codec codec, int? level = null) => With(o => (o.Codec, o.Level) = (codec.Name, level));

        public Destination Optional() => With(o => o.IsRequired = false);

        public Destination WhenExists() => With(o => o.WhenExists = true);

        public Destination Named(string name) => With(o => o.Name = name);

        public Destination Layout(WalLayout layout) => With(o => o.Layout = layout);

        public Destination Retry(int attempts) => With(o => (o.Attempts, o.RetryDelay) = (attempts, TimeSpan.Zero));

        public Destination Timeout(TimeSpan limit) => With(o => o.Timeout = limit);

        public Destination With(Action<WalDestinationOptions> set)
        {
            set(Options);
            return this;
        }

        private Destination At(string text, Action<WalDestinationOptions, string> set)
        {
            var location = WalLocation.Parse(text);
            set(Options, location.Path);
            return location.Codec == Codec.None ? this : Compress(location.Codec, location.Level);
        }
    }
}
