namespace OmniPg.Extractor.Trees;

/// <summary>Words of the manifest for enumerations; stable, whatever the C# names become.</summary>
internal static class ManifestWords
{
    public const string Data = "data";
    public const string Redacted = "redacted";

    public static string Of(TocPass pass) => pass switch
    {
        TocPass.Acl => "acl",
        TocPass.PostAcl => "post-acl",
        _ => "main",
    };

    public static string Of(TocSection section) => section switch
    {
        TocSection.PreData => "pre-data",
        TocSection.Data => "data",
        TocSection.PostData => "post-data",
        _ => "none",
    };

    public static TocPass Pass(string word) => word switch
    {
        "acl" => TocPass.Acl,
        "post-acl" => TocPass.PostAcl,
        _ => TocPass.Main,
    };

    public static TocSection Section(string word) => word switch
    {
        "pre-data" => TocSection.PreData,
        "data" => TocSection.Data,
        "post-data" => TocSection.PostData,
        _ => TocSection.None,
    };
}
