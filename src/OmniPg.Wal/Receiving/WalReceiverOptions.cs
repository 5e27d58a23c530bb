using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>What a <see cref="WalReceiver"/> receives, and where it puts it.</summary>
public sealed class WalReceiverOptions : ICheckedOptions
{
    private const int LongestSlotName = 63;

    /// <summary>Name of the physical replication slot, which keeps the server from removing WAL that is not received yet (<c>--slot</c>). Lower-case letters, digits and <c>_</c>, at most 63. Required.</summary>
    public string Slot { get; set; } = "";

    /// <summary>Whether a slot that does not exist is created (<c>--create-slot</c>); it reserves WAL at once. A slot is never dropped.</summary>
    /// <value>Default <see langword="false"/>: a missing slot is an error.</value>
    public bool CreateSlot { get; set; }

    /// <summary>Directory for what is received (<c>--into</c>); it must exist, and belongs to one receiver. Itself an archive that can be restored from. Required.</summary>
    public string Directory { get; set; } = "";

    /// <summary>
    /// Whether an empty <see cref="Directory"/>, and destinations without an archive, are begun although the slot was used before (<c>--begin</c>). For one call: kept
    /// on, it takes the directory below storage that is not mounted for a new one. A directory that <c>pg_receivewal</c> has filled is taken over.
    /// </summary>
    /// <value>Default <see langword="false"/>: a directory is begun only together with its slot.</value>
    public bool Begin { get; set; }

    /// <summary>The name under which the server knows the receiver, as <c>synchronous_standby_names</c> lists it.</summary>
    /// <value>Default <see langword="null"/>: that of the connection string, else the name of the slot.</value>
    public string? ApplicationName { get; set; }

    /// <summary>Whether WAL is flushed to disk and confirmed as soon as no more of it waits to be read, instead of every <see cref="FlushInterval"/> (<c>--synchronous</c>). Needed in <c>synchronous_standby_names</c>. Otherwise what a busy server sends is let come together for up to 50 ms, which saves most of the processor time.</summary>
    /// <value>Default <see langword="false"/>.</value>
    public bool Synchronous { get; set; }

    /// <summary>Longest time that received WAL stays unflushed and unconfirmed.</summary>
    /// <value>Default 1 s; must be more than zero.</value>
    public TimeSpan FlushInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest pause before another try after lost connections or storage trouble; the first is 0.2 s and each further one doubles.</summary>
    /// <value>Default 30 s; must be more than zero.</value>
    public TimeSpan LongestWait { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Longest silence of the server before the connection counts as lost and another one is made (<c>--receive-timeout</c>); the server's <c>wal_receiver_timeout</c>
    /// is the same for a standby. After half of it the server is asked for a sign of life, so that an idle one is never taken for a lost one.
    /// </summary>
    /// <value>Default 60 s; must be more than zero.</value>
    public TimeSpan ReceiveTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How thoroughly a segment is checked before it counts as complete.</summary>
    /// <value>Default <see cref="WalValidation.Full"/>.</value>
    public WalValidation Validation { get; set; } = WalValidation.Full;

    /// <summary>
    /// Where complete segments and timeline histories go next, such as a compressed archive. A segment leaves <see cref="Directory"/> when every required destination
    /// holds it; the last complete one always stays.
    /// </summary>
    /// <value>Default: nowhere; everything stays in <see cref="Directory"/>.</value>
    public IReadOnlyList<WalDestinationOptions> Destinations { get; set; } = [];

    /// <summary>Directory for delivery states, needed with two or more required destinations (<c>--state-dir</c>).</summary>
    /// <value>Default <see langword="null"/>.</value>
    public string? StateDirectory { get; set; }

    /// <summary>What the archiver behind the receiver gets; its data directory, which it only names files by, is <see cref="Directory"/>.</summary>
    internal WalArchiveOptions ArchiveOptions => new()
    {
        DataDirectory = Directory,
        RequireDataDirectory = false,
        Validation = Validation,
        StateDirectory = StateDirectory,
        Destinations = Destinations,
    };

    void ICheckedOptions.Check(OptionsCheck check)
    {
        // Npgsql writes the name into its command as it is.
        check.That(
            Slot.Length is >= 1 and <= LongestSlotName && Slot.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_'),
            $"Slot '{Slot}' must consist of 1 to 63 lower-case letters, digits and underscores.");
        check.NotEmpty(Directory);
        check.Path(Directory);
        check.Positive(FlushInterval);
        check.Positive(LongestWait);
        check.Positive(ReceiveTimeout);
        check.Defined<WalValidation>(Validation);
        check.Path(StateDirectory);
        if (Destinations.Count == 0)
            return;
        check.That(Destinations.Any(static d => d.IsRequired && !d.WhenExists), "At least one of Destinations must be required: a segment leaves Directory when the required ones hold it.");
        check.That(
            Destinations.All(d => d.Directory is not { Length: > 0 } place || Directory.Length == 0 || PathOf(place) != PathOf(Directory)),
            $"Directory '{Directory}' cannot be a destination of itself.");
        ((ICheckedOptions)ArchiveOptions).Check(check);
    }

    private static string PathOf(string directory) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
}
