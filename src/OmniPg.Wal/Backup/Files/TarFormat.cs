using System.Globalization;
using System.Text;

namespace OmniPg.Wal;

/// <summary>What a header of a tar file says of one member.</summary>
/// <param name="Path">Relative path with <c>/</c>; that of a directory without a <c>/</c> at its end.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Length">Bytes of content.</param>
/// <param name="Mode">Permission bits.</param>
/// <param name="Modified">Modification time, whole seconds.</param>
internal sealed record TarHeader(string Path, TarKind Kind, long Length, UnixFileMode Mode, DateTimeOffset Modified)
{
    /// <summary>Owner; counts only where the reader is root.</summary>
    public (uint User, uint Group) Owner { get; init; }

    /// <summary>Where a symbolic link leads.</summary>
    public string Link { get; init; } = "";
}

/// <summary>Kinds of members that the tar files of base backups hold.</summary>
internal enum TarKind
{
    File,
    Directory,
    Link,

    /// <summary>Its content is the path of the member behind it.</summary>
    LongName,

    /// <summary>Anything else: passed over.</summary>
    Other,
}

/// <summary>
/// Headers of ustar (POSIX.1-1988, <c>pax(1)</c>), as PostgreSQL writes them (<c>src/port/tar.c</c>), with GNU tar's two extensions: a member of type <c>L</c> for
/// paths of over 100 bytes, and base 256 for numbers that do not fit their octal digits.
/// </summary>
internal static class TarFormat
{
    public const int BlockBytes = 512;

    // Offset and length of the fields: name, mode, uid, gid, size, mtime, chksum, typeflag, linkname, magic.
    private const int NameBytes = 100;
    private const int ModeAt = 100;
    private const int UserAt = 108;
    private const int GroupAt = 116;
    private const int IdBytes = 8;
    private const int SizeAt = 124;
    private const int TimeAt = 136;
    private const int NumberBytes = 12;
    private const int SumAt = 148;
    private const int TypeAt = 156;
    private const int LinkAt = 157;
    private const int MagicAt = 257;
    private const int PrefixAt = 345;
    private const int PrefixBytes = 155;

    /// <summary>Zeros between a content and the next header.</summary>
    public static int PaddingOf(long length) => (int)(-length & (BlockBytes - 1));

    /// <summary>The header of a member; of two when its path is long.</summary>
    public static byte[] Write(TarHeader header)
    {
        var path = Encoding.UTF8.GetBytes(header.Kind == TarKind.Directory ? header.Path + "/" : header.Path);
        if (path.Length <= NameBytes)
            return Block(header, path);
        // GNU tar counts the zero behind the path.
        var longName = new byte[path.Length + 1 + PaddingOf(path.Length + 1)];
        path.CopyTo(longName, 0);
        var before = header with { Kind = TarKind.LongName, Length = path.Length + 1 };
        return [.. Block(before, "././@LongLink"u8), .. longName, .. Block(header, path.AsSpan(0, NameBytes))];
    }

    /// <summary>Reads one block that is not all zeros.</summary>
    /// <exception cref="InvalidDataException">It is no header: its sum is wrong.</exception>
    public static TarHeader Read(ReadOnlySpan<byte> block)
    {
        if (Number(block.Slice(SumAt, IdBytes)) != Sum(block))
            throw new InvalidDataException("A header of the tar file is damaged.");
        var prefix = block.Slice(MagicAt, 6).SequenceEqual("ustar\0"u8) ? Text(block.Slice(PrefixAt, PrefixBytes)) : "";
        var name = Text(block[..NameBytes]);
        return new TarHeader(
            (prefix.Length > 0 ? $"{prefix}/{name}" : name).TrimEnd('/'),
            KindOf(block[TypeAt], name),
            Number(block.Slice(SizeAt, NumberBytes)),
            (UnixFileMode)(Number(block.Slice(ModeAt, IdBytes)) & 0xFFF),
            DateTimeOffset.FromUnixTimeSeconds(Number(block.Slice(TimeAt, NumberBytes))))
        {
            Owner = ((uint)Number(block.Slice(UserAt, IdBytes)), (uint)Number(block.Slice(GroupAt, IdBytes))),
            Link = Text(block.Slice(LinkAt, NameBytes)),
        };
    }

    private static byte[] Block(TarHeader header, ReadOnlySpan<byte> name)
    {
        var block = new byte[BlockBytes];
        name.CopyTo(block);
        PutNumber(block.AsSpan(ModeAt, IdBytes), (long)header.Mode);
        PutNumber(block.AsSpan(UserAt, IdBytes), header.Owner.User);
        PutNumber(block.AsSpan(GroupAt, IdBytes), header.Owner.Group);
        PutNumber(block.AsSpan(SizeAt, NumberBytes), header.Length);
        PutNumber(block.AsSpan(TimeAt, NumberBytes), Math.Max(0, header.Modified.ToUnixTimeSeconds()));
        block[TypeAt] = header.Kind switch { TarKind.Directory => (byte)'5', TarKind.Link => (byte)'2', TarKind.LongName => (byte)'L', _ => (byte)'0' };
        "ustar\000"u8.CopyTo(block.AsSpan(MagicAt));
        PutNumber(block.AsSpan(SumAt, IdBytes), Sum(block));
        return block;
    }

    private static TarKind KindOf(byte type, string name) => (char)type switch
    {
        '0' or '\0' => name.EndsWith('/') ? TarKind.Directory : TarKind.File,
        '5' => TarKind.Directory,
        '2' => TarKind.Link,
        'L' => TarKind.LongName,
        _ => TarKind.Other,
    };

    // The sum of all bytes, with blanks in place of itself.
    private static long Sum(ReadOnlySpan<byte> block)
    {
        long sum = IdBytes * ' ';
        for (var i = 0; i < block.Length; i++)
            sum += i is >= SumAt and < SumAt + IdBytes ? 0 : block[i];
        return sum;
    }

    private static void PutNumber(Span<byte> field, long value)
    {
        var digits = Convert.ToString(value, 8);
        if (digits.Length < field.Length)
        {
            Encoding.ASCII.GetBytes(digits.PadLeft(field.Length - 1, '0'), field);
            return;
        }

        for (var i = field.Length - 1; i > 0; i--, value >>= 8)
            field[i] = (byte)value;
        field[0] = 0x80;
    }

    private static long Number(ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) == 0)
        {
            var digits = Text(field).Trim();
            try
            {
                return digits.Length == 0 ? 0 : Convert.ToInt64(digits, 8);
            }
            catch (Exception unreadable) when (unreadable is FormatException or OverflowException)
            {
                throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"A header of the tar file holds '{digits}' where a number should be."), unreadable);
            }
        }

        long value = 0;
        foreach (var part in field[1..])
            value = (value << 8) | part;
        return value >= 0 ? value : throw new InvalidDataException("A header of the tar file holds a negative size.");
    }

    private static string Text(ReadOnlySpan<byte> field) => Encoding.UTF8.GetString(field.IndexOf((byte)0) is >= 0 and var end ? field[..end] : field);
}
