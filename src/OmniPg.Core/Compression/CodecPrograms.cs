namespace OmniPg;

/// <summary>Which external programs do the work of <see cref="Codec.Bzip2"/>, <see cref="Codec.Xz"/> and <see cref="Codec.Lzma"/>, for the whole process.</summary>
/// <remarks>Names are looked up in <c>PATH</c>, paths are taken as they are. Set them before the first use. OmniPITR's <c>--bzip2-path</c> and relatives.</remarks>
public static class CodecPrograms
{
    /// <summary>Program of bzip2; takes the options of <c>bzip2</c>, as <c>lbzip2</c> and <c>pbzip2</c> do.</summary>
    /// <value>Default <c>bzip2</c>.</value>
    public static string Bzip2 { get; set; } = "bzip2";

    /// <summary>Program of xz; takes the options of <c>xz</c>.</summary>
    /// <value>Default <c>xz</c>.</value>
    public static string Xz { get; set; } = "xz";

    /// <summary>Program of lzma; takes the options of <c>xz</c>, <c>--format=lzma</c> among them.</summary>
    /// <value>Default <c>xz</c>.</value>
    public static string Lzma { get; set; } = "xz";

    /// <summary>The program under which these programs run to be kind to the server beside them.</summary>
    /// <value>Default <see langword="null"/>: they run as this process does.</value>
    public static string? Nice { get; set; }
}
