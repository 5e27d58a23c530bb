using System.Buffers.Binary;

namespace OmniPg.Wal;

/// <summary>Reads fields one after the other. Behind the end it gives zeros and remembers that it did, so a decoder needs one check at the end.</summary>
internal ref struct BodyCursor(ReadOnlySpan<byte> bytes)
{
    // Server timestamps count microseconds since 2000-01-01 00:00 UTC (timestamp.h).
    private static readonly long Epoch = new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc).Ticks;
    private static readonly long Lowest = (DateTime.MinValue.Ticks - Epoch) / TimeSpan.TicksPerMicrosecond;
    private static readonly long Highest = (DateTime.MaxValue.Ticks - Epoch) / TimeSpan.TicksPerMicrosecond;
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>Whether a field behind the end was asked for.</summary>
    public bool IsOverrun { get; private set; }

    public uint UInt32() => Take(sizeof(uint)) is { Length: > 0 } field ? BinaryPrimitives.ReadUInt32LittleEndian(field) : 0;

    public ulong UInt64() => Take(sizeof(ulong)) is { Length: > 0 } field ? BinaryPrimitives.ReadUInt64LittleEndian(field) : 0;

    public DateTimeOffset Time() => TimeOf((long)UInt64());

    /// <summary>Converts a server timestamp; times outside the years 1 to 9999 become the nearest possible one.</summary>
    public static DateTimeOffset TimeOf(long microseconds) =>
        new(Epoch + (Math.Clamp(microseconds, Lowest, Highest) * TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);

    /// <summary>Skips an array: its number of elements (4 bytes), then the elements.</summary>
    public void SkipArray(int elementSize) => Take(UInt32() * (long)elementSize);

    public void Skip(int length) => Take(length);

    public ReadOnlySpan<byte> Array(int elementSize) => Take(UInt32() * (long)elementSize);

    /// <summary>Bytes up to a NUL, which is skipped.</summary>
    public ReadOnlySpan<byte> CString()
    {
        var length = _rest.IndexOf((byte)0);
        if (length < 0)
        {
            Take(_rest.Length + 1L);
            return default;
        }

        var text = Take(length);
        Take(1);
        return text;
    }

    private ReadOnlySpan<byte> Take(long length)
    {
        if (length > _rest.Length)
        {
            IsOverrun = true;
            _rest = default;
            return default;
        }

        var field = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return field;
    }
}
