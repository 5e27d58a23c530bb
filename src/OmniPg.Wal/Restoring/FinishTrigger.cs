namespace OmniPg.Wal;

/// <summary>The file of <c>--finish-trigger</c>: content <c>NOW</c> ends at once, everything else at the first missing file.</summary>
internal sealed class FinishTrigger(string? path)
{
    private const int Enough = 16;

    private volatile bool _requested;

    /// <summary>Ends at once, as a signal does.</summary>
    public void Request() => _requested = true;

    /// <exception cref="WalConfigurationException">The file exists but cannot be read.</exception>
    public Mode Read()
    {
        if (_requested)
            return Mode.Immediate;
        if (path is null || !File.Exists(path))
            return Mode.None;
        try
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            Span<byte> content = stackalloc byte[Enough];
            var text = content[..RandomAccess.Read(handle, content, 0)];
            return text.SequenceEqual("NOW"u8) || text.SequenceEqual("NOW\n"u8) || text.SequenceEqual("NOW\r\n"u8) ? Mode.Immediate : Mode.Smart;
        }
        catch (FileNotFoundException)
        {
            // Removed between the two looks.
            return Mode.None;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WalConfigurationException($"The finish trigger '{path}' exists but cannot be read: {e.Message}", innerException: e);
        }
    }

    /// <summary>How a restore was asked to end the recovery.</summary>
    internal enum Mode
    {
        None,

        /// <summary>Serve everything that is there, without delay, and end at the first missing file.</summary>
        Smart,

        /// <summary>Serve nothing more.</summary>
        Immediate,
    }
}
