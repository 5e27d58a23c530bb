namespace OmniPg.Extractor;

/// <summary>Version of the archive format, for example <c>1.14-0</c>. It is not the version of pg_dump.</summary>
/// <param name="Major">First part; always 1 so far.</param>
/// <param name="Minor">Second part: 14 = pg_dump 12 to 15, 15 = pg_dump 16, 16 = pg_dump 17 and 18.</param>
/// <param name="Revision">Third part; always 0 so far.</param>
public readonly record struct ArchiveVersion(int Major, int Minor, int Revision = 0) : IComparable<ArchiveVersion>
{
    /// <summary>Oldest version that is read: 1.12, PostgreSQL 9.0.</summary>
    public static ArchiveVersion Oldest { get; } = new(1, 12);

    /// <summary>Newest version that is read: 1.16, PostgreSQL 17 and 18.</summary>
    public static ArchiveVersion Newest { get; } = new(1, 16);

    internal bool IsSupported => Major == 1 && Minor >= Oldest.Minor && Minor <= Newest.Minor;

    internal bool HasTableAccessMethod => Minor >= 14;

    internal bool HasCompressionAlgorithm => Minor >= 15;

    internal bool HasRelationKind => Minor >= 16;

    /// <inheritdoc/>
    public int CompareTo(ArchiveVersion other) =>
        (Major, Minor, Revision).CompareTo((other.Major, other.Minor, other.Revision));

    /// <summary>The form that <c>pg_restore -l</c> prints, for example <c>1.14-0</c>.</summary>
    public override string ToString() => $"{Major}.{Minor}-{Revision}";

    /// <summary>Whether one version is older than another.</summary>
    public static bool operator <(ArchiveVersion left, ArchiveVersion right) => left.CompareTo(right) < 0;

    /// <summary>Whether one version is newer than another.</summary>
    public static bool operator >(ArchiveVersion left, ArchiveVersion right) => left.CompareTo(right) > 0;

    /// <summary>Whether one version is not newer than another.</summary>
    public static bool operator <=(ArchiveVersion left, ArchiveVersion right) => left.CompareTo(right) <= 0;

    /// <summary>Whether one version is not older than another.</summary>
    public static bool operator >=(ArchiveVersion left, ArchiveVersion right) => left.CompareTo(right) >= 0;
}

/// <summary>The numbers at the start of a version text: <c>15.18 (Debian 15.18-0+deb12u1)</c> gives <c>15.18</c>.</summary>
internal static class VersionText
{
    public static string Short(string text)
    {
        var end = text.IndexOf(' ', StringComparison.Ordinal);
        return end < 0 ? text : text[..end];
    }

    /// <summary>The major, for example 15 for <c>15.18 (Debian …)</c>; 9 before 10.</summary>
    public static int? Major(string text)
    {
        var digits = text.AsSpan().TrimStart();
        var length = 0;
        while (length < digits.Length && char.IsAsciiDigit(digits[length]))
            length++;
        return int.TryParse(digits[..length], out var major) ? major : null;
    }
}
