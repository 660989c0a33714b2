// What a page is like in a browser: put at the end of a copy of it by tools/browser.pl, which
// reads the answer, JSON in base64, from the page that the browser gives back.
(() => {
	const own = document.currentScript;
	const found = { inner: innerWidth, dark: matchMedia('(prefers-color-scheme: dark)').matches, texts: {}, wide: [],
		small: [], pale: [], overlapping: [], outside: [], nameless: [], hacked: String(window.hacked) };
	document.querySelectorAll('details').forEach(d => { d.open = true; });

	const name = e => e.tagName + (e.id ? '#' + e.id : '') + ': ' + e.textContent.trim().slice(0, 60);
	const scrolls = e => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
	const rgba = c => c.match(/[\d.]+/g).map(Number);
	const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, weight, n) => {
		const part = Math.min(c[n], 255) / 255;
		return sum + weight * (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
	}, 0);
	const ground = e => {
		for (; e; e = e.parentElement) {
			const color = rgba(getComputedStyle(e).backgroundColor);
			if (color.length < 4 || color[3] === 1) return color;
		}
		return [255, 255, 255];
	};
	const contrast = (a, b) => {
		const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
		return (high + 0.05) / (low + 0.05);
	};
	found.ground = light(ground(document.body));

	document.querySelectorAll('[id]').forEach(e => { found.texts[e.id] = e.textContent.trim(); });
	document.querySelectorAll('body *').forEach(e => {
		const box = e.getBoundingClientRect(), style = getComputedStyle(e);
		if (e !== own && box.right > innerWidth + 1 && !scrolls(e.parentElement)) found.wide.push(name(e));
		if (e === own || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) return;
		if (/^(title|desc|style)$/i.test(e.tagName) || !box.width) return;
		const svg = e.closest('svg');
		const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
		if (parseFloat(style.fontSize) * scale < 9) found.small.push(name(e));
		if (contrast(rgba(svg ? style.fill : style.color), ground(svg || e)) < 4.5) found.pale.push(name(e));
	});
	if (document.documentElement.scrollWidth > innerWidth) found.wide.push('the page');
	document.querySelectorAll('path.series').forEach(e => {
		const style = getComputedStyle(e);
		const bright = Number((style.filter.match(/brightness\(([\d.]+)\)/) || [0, 1])[1]);
		if (contrast(rgba(style.stroke).map(c => c * bright), ground(e)) < 3) found.pale.push('a curve: ' + e.getAttribute('stroke'));
	});
	document.querySelectorAll('svg').forEach(svg => {
		const texts = [...svg.querySelectorAll('text')], boxes = texts.map(t => t.getBoundingClientRect());
		const whole = svg.getBoundingClientRect();
		if (!svg.getAttribute('aria-label') && !svg.querySelector('title')) found.nameless.push(name(svg));
		boxes.forEach((a, n) => {
			if (a.left < whole.left || a.right > whole.right + 1 || a.bottom > whole.bottom + 1) found.outside.push(name(texts[n]));
			boxes.slice(n + 1).forEach((b, m) => {
				if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
					found.overlapping.push(name(texts[n]) + ' / ' + name(texts[n + 1 + m]));
			});
		});
	});
	found.curves = document.querySelectorAll('path.series[d*=L]').length;
	found.references = [...document.querySelectorAll('[src], [href], [srcset], [data], [action], [style*="url"], script, link, iframe, object')]
		.filter(e => e !== own).map(name);
	found.loaded = performance.getEntriesByType('resource').map(e => e.name);
	const answer = document.createElement('pre');
	answer.id = 'probe';
	answer.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(found))));
	parent.document.body.append(answer);
})();
