namespace OmniPg.Extractor;

/// <summary>Reads the archive's primitives from the bytes that have arrived.</summary>
/// <remarks>
/// When the bytes end too early, the cursor turns <see cref="IsIncomplete"/> and returns empty values from then on. The caller fetches
/// <see cref="Missing"/> bytes more and starts over: nothing is decoded before everything is there, so starting over costs a few jumps.
/// </remarks>
internal ref struct ArchiveCursor(ReadOnlySpan<byte> bytes, long origin, int? entryIndex)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public ArchiveNumbers Numbers { get; set; }

    public int MaxTextBytes { get; set; }

    /// <summary>Bytes consumed so far.</summary>
    public int Position { get; private set; }

    public bool IsIncomplete { get; private set; }

    /// <summary>How many bytes more are needed at least; meaningful when incomplete.</summary>
    public int Missing { get; private set; }

    /// <summary>Field at which the bytes ended; meaningful when incomplete.</summary>
    public string MissingField { get; private set; } = "";

    public readonly ArchiveLocation At(string field) => new(origin + Position, entryIndex, field);

    public byte Byte(string field)
    {
        var bytes = Take(1, field);
        return bytes.IsEmpty ? (byte)0 : bytes[0];
    }

    /// <summary>A sign byte and the magnitude, lowest byte first.</summary>
    public int Int32(string field)
    {
        var start = At(field);
        var bytes = Take(Numbers.IntegerSize + 1, field);
        if (bytes.IsEmpty)
            return 0;
        var magnitude = Magnitude(bytes[1..], start);
        var negative = bytes[0] != 0;
        if (magnitude > (negative ? 0x8000_0000UL : 0x7FFF_FFFFUL))
            throw new ArchiveFormatException(start, $"the number '{(negative ? "-" : "")}{magnitude}' is out of range");
        return (int)(negative ? -(long)magnitude : (long)magnitude);
    }

    /// <summary>A length and that many bytes; a negative length is null.</summary>
    public ArchiveText Text(string field)
    {
        var start = At(field);
        var length = Int32(field);
        if (IsIncomplete || length < 0)
            return new ArchiveText([], isNull: true, start.Offset);
        if (length > MaxTextBytes)
            throw new ArchiveFormatException(start, $"the text is '{length}' bytes long, more than the limit of '{MaxTextBytes}'");
        var bytes = Take(length, field);
        return new ArchiveText(bytes, isNull: IsIncomplete, origin + Position - length);
    }

    /// <summary>A file position behind its flag; 0 when the archive does not know it.</summary>
    public long DataPosition(string field)
    {
        var start = At(field);
        var bytes = Take(Numbers.OffsetSize + 1, field);
        if (bytes.IsEmpty)
            return 0;
        if (bytes[0] is < 1 or > 3)
            throw new ArchiveFormatException(start, $"the position flag is '{bytes[0]}' instead of '1', '2' or '3'");
        var position = Magnitude(bytes[1..], start);
        if (position > long.MaxValue)
            throw new ArchiveFormatException(start, $"the position '{position}' is out of range");
        return bytes[0] == 2 ? (long)position : 0;
    }

    private static ulong Magnitude(ReadOnlySpan<byte> bytes, ArchiveLocation start)
    {
        var value = 0UL;
        for (var i = bytes.Length - 1; i >= 0; i--)
        {
            if (i >= sizeof(ulong) && bytes[i] != 0)
                throw new ArchiveFormatException(start, $"a number of '{bytes.Length}' bytes does not fit in 64 bits");
            value = (value << 8) | bytes[i];
        }
        return value;
    }

    private ReadOnlySpan<byte> Take(int count, string field)
    {
        if (IsIncomplete)
            return [];
        if (count > _bytes.Length - Position)
        {
            IsIncomplete = true;
            Missing = count - (_bytes.Length - Position);
            MissingField = field;
            return [];
        }
        var taken = _bytes.Slice(Position, count);
        Position += count;
        return taken;
    }
}

/// <summary>A text as it stands in the archive: bytes in the archive's encoding, or null (stored as length −1).</summary>
internal readonly ref struct ArchiveText(ReadOnlySpan<byte> bytes, bool isNull, long offset)
{
    public ReadOnlySpan<byte> Bytes { get; } = bytes;

    public bool IsNull { get; } = isNull;

    /// <summary>Offset of the first byte, for error messages.</summary>
    public long Offset { get; } = offset;
}

/// <summary>Width of numbers, which the archive's header declares.</summary>
internal readonly record struct ArchiveNumbers(int IntegerSize, int OffsetSize)
{
    /// <summary>Widths above this are no archive; up to 8 bytes are possible values, more only as leading zeros.</summary>
    public const int MaxSize = 32;
}
